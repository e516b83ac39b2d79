/* A disk that waits or fails as a test says: loaded before everything else (LD_PRELOAD). */

#include <errno.h>
#include <unistd.h>

int disk_waits, disk_fails;

int fdatasync(int file)
{
    while (__atomic_load_n(&disk_waits, __ATOMIC_ACQUIRE))
        usleep(1000);
    if (__atomic_load_n(&disk_fails, __ATOMIC_ACQUIRE)) {
        errno = EIO;
        return -1;
    }
    return fsync(file);
}
