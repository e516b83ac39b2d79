/* Wrong on purpose: reads a token that was freed. Shows that AddressSanitizer, or valgrind, watches the library's memory.
 *
 *     freed STEPS WORLD */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

int main(int count, char **arguments) {
    idjag_request_t request = IDJAG_REQUEST_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_token_t *token = NULL;
    const char *text;
    json_t *step;
    CHECK(count == 3, "freed STEPS WORLD");
    step = check_case(arguments[1], "granted-rs256");
    check_text(step, "assertion", &request.assertion, &request.assertion_length);
    check_text(step, "client_id", &request.client_id, &request.client_id_length);
    CHECK(idjag_exchange(check_engine(arguments[2], json_integer_value(json_object_get(step, "now"))), &request, &token,
                         &error) == IDJAG_OK, "%s", error.message);
    text = idjag_token_access_token(token, NULL);
    idjag_token_free(token);
    return text[0] == 'e';
}
