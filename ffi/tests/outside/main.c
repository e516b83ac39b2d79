/* A program outside the tree, which knows nothing but what was installed. */
#include <idjag.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    printf("%s\n", idjag_version());
    return strcmp(idjag_version(), IDJAG_VERSION) != 0;
}
