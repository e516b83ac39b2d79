/* Runs the code of README.md, which `ffi/tests/run` puts into readme_block.c.
 *
 *     readme STEPS WORLD */
#define _POSIX_C_SOURCE 200809L
#include "readme_block.c"

#include "check.h"

int main(int count, char **arguments) {
    idjag_exchange_t *exchange;
    json_t *step;
    const char *assertion, *client_id;
    size_t length;
    CHECK(count == 3, "readme STEPS WORLD");
    step = check_case(arguments[1], "granted-rs256");
    check_text(step, "assertion", &assertion, &length);
    check_text(step, "client_id", &client_id, &length);
    exchange = check_engine(arguments[2], json_integer_value(json_object_get(step, "now")));
    CHECK(answer(exchange, assertion, client_id) == 200, "no token");
    CHECK(answer(exchange, assertion, client_id) == 400, "a second token");
    idjag_exchange_free(exchange);
    json_decref(step);
    return 0;
}
