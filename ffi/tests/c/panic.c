/* A call of the library's that ends in the middle is a result, and the handle goes on.
 *
 *     panic STEPS WORLD
 *
 * Linked with a build whose clock can be made to panic. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

extern int64_t idjag_test_panicking_clock(void *now);
#ifdef BESIDE_ANOTHER
extern int other_catches(void);
#endif

int main(int count, char **arguments) {
    static const char idp_text[] =
        "issuer = 'https://acme.idp.example'\ntokens.keys = 'ephemeral'\nclients = []\nsubject_tokens = []\ntargets = []\n";
    idjag_config_t config = IDJAG_CONFIG_INIT, idp_config = IDJAG_CONFIG_INIT;
    idjag_callbacks_t callbacks = IDJAG_CALLBACKS_INIT;
    idjag_request_t request = IDJAG_REQUEST_INIT;
    idjag_http_request_t http_request = IDJAG_HTTP_REQUEST_INIT;
    idjag_presented_t presented = IDJAG_PRESENTED_INIT;
    idjag_revocation_t revocation = IDJAG_REVOCATION_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT, each = IDJAG_ERROR_INIT;
    idjag_exchange_t *engine = NULL;
    idjag_idp_t *idp = NULL;
    idjag_token_t *token = NULL, *tokens = NULL;
    idjag_response_t *response = NULL;
    idjag_verified_t *who = NULL;
    idjag_result_t result = IDJAG_NOT_FOUND;
    int64_t now = -1;
    int round;
    json_t *step;
    CHECK(count == 3, "panic STEPS WORLD");
#ifdef BESIDE_ANOTHER
    CHECK(other_catches() == 1, "the other library");
#endif
    step = check_case(arguments[1], "granted-rs256");
    check_text(step, "assertion", &request.assertion, &request.assertion_length);
    check_text(step, "client_id", &request.client_id, &request.client_id_length);
    config.file = arguments[2];
    config.file_length = strlen(arguments[2]);
    idp_config.text = idp_text;
    idp_config.text_length = strlen(idp_text);
    callbacks.clock = idjag_test_panicking_clock;
    callbacks.context = &now;
    CHECK(idjag_exchange_new(&config, &callbacks, &engine, &error) == IDJAG_PANIC && engine == NULL, "made");
    CHECK(idjag_idp_new(&idp_config, &callbacks, &idp, &error) == IDJAG_PANIC && idp == NULL, "made");
    now = json_integer_value(json_object_get(step, "now"));
    CHECK(idjag_idp_new(&idp_config, &callbacks, &idp, &error) == IDJAG_OK, "%s", error.message);
    CHECK(idjag_exchange_new(&config, &callbacks, &engine, &error) == IDJAG_OK, "%s", error.message);

    presented.token = presented.resource = http_request.method = http_request.target = revocation.name = "x";
    presented.token_length = presented.resource_length = http_request.method_length = http_request.target_length =
        revocation.name_length = 1;
    revocation.kind = IDJAG_REVOKE_CLIENT;
    for (round = 0; round < 3; round++) {
        int64_t then = now;
        now = -1;
        error.slug = "left";
        CHECK(idjag_exchange(engine, &request, &token, &error) == IDJAG_PANIC && token == NULL, "exchange");
        CHECK(error.slug == NULL && error.http_status == 500 && error.message[0], "%s", error.message);
        CHECK(idjag_exchange_many(engine, &request, 1, 1, &result, &tokens, &each, &error) == IDJAG_PANIC, "many");
        CHECK(result == IDJAG_NOT_FOUND && tokens == NULL && each.http_status == 0, "written");
        CHECK(idjag_endpoint_handle(engine, &http_request, &response, NULL) == IDJAG_PANIC && response == NULL, "handle");
        CHECK(idjag_idp_handle(idp, &http_request, &response, &error) == IDJAG_PANIC && response == NULL, "idp");
        CHECK(idjag_verify(engine, &presented, &who, &error) == IDJAG_PANIC && who == NULL, "verify");
        CHECK(idjag_revoke(engine, &revocation, &error) == IDJAG_PANIC, "revoke");
        now = then;
    }
    CHECK(idjag_exchange(engine, &request, &token, &error) == IDJAG_OK, "%s", error.message);
    idjag_token_free(token);
    idjag_exchange_free(engine);
    idjag_idp_free(idp);
    json_decref(step);
    puts("panic: a result, and the handle goes on");
    return 0;
}
