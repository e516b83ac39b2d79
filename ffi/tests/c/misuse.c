/* What no program should do, as far as it can be noticed: NULL everywhere, lengths that cannot be, structures of other
 * sizes, bytes of any kind. Each is a result; nothing is written but on IDJAG_OK.
 *
 *     misuse STEPS WORLD */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

static idjag_exchange_t *engine;
static json_t *step;
static idjag_error_t error = IDJAG_ERROR_INIT;

#define MISUSE(call) CHECK((call) == IDJAG_MISUSE && error.http_status == 500 && error.slug == NULL, "%s", error.message)

static idjag_request_t good_request(void) {
    idjag_request_t request = IDJAG_REQUEST_INIT;
    check_text(step, "assertion", &request.assertion, &request.assertion_length);
    check_text(step, "client_id", &request.client_id, &request.client_id_length);
    return request;
}

static void nulls(void) {
    const char *value = "left";
    size_t length = 7;
    idjag_request_t request = good_request();
    idjag_presented_t presented = IDJAG_PRESENTED_INIT;
    idjag_http_request_t http_request = IDJAG_HTTP_REQUEST_INIT;
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_stats_t stats = IDJAG_STATS_INIT;
    idjag_revocation_t revocation = IDJAG_REVOCATION_INIT;
    idjag_exchange_t *made = NULL;
    idjag_token_t *token = NULL;
    idjag_verified_t *who = NULL;
    idjag_response_t *response = NULL;
    idjag_text_t *text = NULL;
    idjag_idp_t *idp = NULL;
    idjag_id_token_t id_token = IDJAG_ID_TOKEN_INIT;
    idjag_sources_t *sources = NULL;
    idjag_source_t source = IDJAG_SOURCE_INIT;
    idjag_result_t result = IDJAG_OK;

    MISUSE(idjag_idp_new(NULL, NULL, &idp, &error));
    MISUSE(idjag_idp_new(&config, NULL, &idp, &error));
    MISUSE(idjag_idp_new(&config, NULL, NULL, &error));
    MISUSE(idjag_idp_handle(NULL, &http_request, &response, &error));
    MISUSE(idjag_idp_metadata(NULL, &text, &error));
    MISUSE(idjag_idp_jwks(NULL, &text, &error));
    MISUSE(idjag_idp_warnings(NULL, &text, &error));
    MISUSE(idjag_idp_id_token(NULL, &id_token, &text, &error));
    MISUSE(idjag_document_append(NULL, "x", 1, &error));
    MISUSE(idjag_document_header(NULL, "x", 1, "y", 1, &error));
    MISUSE(idjag_authorization_endpoint(NULL, &text, &error));
    MISUSE(idjag_authorization_endpoint(engine, NULL, &error));
    MISUSE(idjag_exchange_new(NULL, NULL, &made, &error));
    MISUSE(idjag_exchange_new(&config, NULL, &made, &error));
    MISUSE(idjag_exchange_new(&config, NULL, NULL, &error));
    MISUSE(idjag_reload(NULL, &config, &error));
    MISUSE(idjag_reload(engine, NULL, &error));
    MISUSE(idjag_warnings(NULL, &text, &error));
    MISUSE(idjag_warnings(engine, NULL, &error));
    MISUSE(idjag_exchange(NULL, &request, &token, &error));
    MISUSE(idjag_exchange(engine, NULL, &token, &error));
    MISUSE(idjag_exchange(engine, &request, NULL, &error));
    MISUSE(idjag_exchange_many(NULL, &request, 1, 1, &result, &token, NULL, &error));
    MISUSE(idjag_exchange_many(engine, NULL, 1, 1, &result, &token, NULL, &error));
    MISUSE(idjag_exchange_many(engine, &request, 1, 1, NULL, &token, NULL, &error));
    MISUSE(idjag_exchange_many(engine, &request, 1, 1, &result, NULL, NULL, &error));
    MISUSE(idjag_exchange_many(engine, &request, (size_t)-1, 1, &result, &token, NULL, &error));
    MISUSE(idjag_exchange_many(engine, &request, (size_t)-1 / 64, 1, &result, &token, NULL, &error));
    CHECK(idjag_exchange_many(engine, NULL, 0, 0, NULL, NULL, NULL, &error) == IDJAG_OK, "none");
    MISUSE(idjag_verify(NULL, &presented, &who, &error));
    MISUSE(idjag_verify(engine, NULL, &who, &error));
    MISUSE(idjag_verify(engine, &presented, &who, &error));
    MISUSE(idjag_endpoint_handle(NULL, &http_request, &response, &error));
    MISUSE(idjag_endpoint_handle(engine, NULL, &response, &error));
    MISUSE(idjag_endpoint_handle(engine, &http_request, &response, &error));
    MISUSE(idjag_endpoint_revoke(engine, &http_request, &response, &error));
    MISUSE(idjag_endpoint_introspect(engine, &http_request, NULL, &error));
    MISUSE(idjag_metadata(NULL, &text, &error));
    MISUSE(idjag_metadata(engine, NULL, &error));
    MISUSE(idjag_jwks(NULL, &text, &error));
    MISUSE(idjag_jwks(engine, NULL, &error));
    MISUSE(idjag_resource_metadata(engine, NULL, 0, &text, &error));
    MISUSE(idjag_resource_metadata(engine, NULL, 5, &text, &error));
    MISUSE(idjag_challenge(engine, "r", 1, 0, NULL, 0, &text, &error));
    MISUSE(idjag_challenge(engine, "r", 1, IDJAG_CHALLENGE_INSUFFICIENT_SCOPE, NULL, 0, &text, &error));
    MISUSE(idjag_challenge(engine, "r", 1, IDJAG_CHALLENGE_MISSING, "s", 1, &text, &error));
    MISUSE(idjag_challenge(engine, "r", 1, 0xffffffff, NULL, 0, &text, &error));
    MISUSE(idjag_put_jwks(NULL, "i", 1, "{}", 2, &error));
    MISUSE(idjag_put_jwks(engine, NULL, 0, "{}", 2, &error));
    MISUSE(idjag_put_jwks(engine, "i", 1, NULL, 0, &error));
    MISUSE(idjag_put_directory(engine, IDJAG_DIRECTORY_JSON, "d", 1, NULL, 0, &error));
    MISUSE(idjag_put_directory(engine, 99, "d", 1, "", 0, &error));
    MISUSE(idjag_put_policy(engine, NULL, 0, "", 0, &error));
    MISUSE(idjag_put_policy(NULL, "p", 1, "", 0, &error));
    MISUSE(idjag_revoke(engine, NULL, &error));
    MISUSE(idjag_revoke(engine, &revocation, &error));
    revocation.name = "x";
    revocation.name_length = 1;
    MISUSE(idjag_revoke(engine, &revocation, &error));
    revocation.kind = IDJAG_REVOKE_PERSON;
    MISUSE(idjag_lift(engine, &revocation, &error));
    MISUSE(idjag_stats(NULL, &stats, &error));
    MISUSE(idjag_stats(engine, NULL, &error));
    MISUSE(idjag_sources(NULL, &sources, &error));
    MISUSE(idjag_sources(engine, NULL, &error));
    MISUSE(idjag_sources_at(NULL, 0, &source, &error));
    CHECK(sources == NULL && idjag_sources(engine, &sources, &error) == IDJAG_OK, "%s", error.message);
    MISUSE(idjag_sources_at(sources, 0, NULL, &error));
    CHECK(idjag_sources_count(sources) == 0 && idjag_sources_at(sources, 0, &source, &error) == IDJAG_NOT_FOUND, "none");
    idjag_sources_free(sources);
    CHECK(!made && !idp && !token && !who && !response && !text && result == IDJAG_OK && stats.generation == 0, "written");

    /* Everything once more without the detail. */
    CHECK(idjag_exchange(NULL, NULL, NULL, NULL) == IDJAG_MISUSE, "exchange");
    CHECK(idjag_verify(NULL, NULL, NULL, NULL) == IDJAG_MISUSE, "verify");
    CHECK(idjag_endpoint_handle(NULL, NULL, NULL, NULL) == IDJAG_MISUSE, "handle");
    CHECK(idjag_exchange_many(NULL, NULL, 0, 0, NULL, NULL, NULL, NULL) == IDJAG_MISUSE, "many");

    CHECK(!idjag_token_access_token(NULL, NULL) && !idjag_token_scope(NULL, &length) && length == 0, "token");
    CHECK(!idjag_token_resource(NULL, NULL) && !idjag_token_token_type(NULL, NULL) && !idjag_token_expires_in(NULL), "token");
    CHECK(!idjag_verified_subject(NULL, NULL) && !idjag_verified_idp(NULL, NULL) && !idjag_verified_tenant(NULL, NULL) &&
              !idjag_verified_client_id(NULL, NULL) && !idjag_verified_scope(NULL, NULL) &&
              !idjag_verified_resource(NULL, NULL) && !idjag_verified_jti(NULL, NULL) && !idjag_verified_act(NULL, NULL) &&
              !idjag_verified_claims(NULL, NULL) && !idjag_verified_group(NULL, 0, NULL) &&
              !idjag_verified_group_count(NULL) && !idjag_verified_issued_at(NULL) && !idjag_verified_expires_at(NULL),
          "verified");
    CHECK(!idjag_response_status(NULL) && !idjag_response_header_count(NULL) && !idjag_response_body(NULL, NULL) &&
              !idjag_response_slug(NULL) && !idjag_response_header(NULL, "a", 1) &&
              !idjag_response_header_at(NULL, 0, &value) && strcmp(value, "left") == 0,
          "response");
    CHECK(!idjag_text_data(NULL, NULL) && !idjag_sources_count(NULL), "text");
    idjag_exchange_free(NULL);
    idjag_idp_free(NULL);
    idjag_token_free(NULL);
    idjag_verified_free(NULL);
    idjag_response_free(NULL);
    idjag_text_free(NULL);
    idjag_sources_free(NULL);
}

static void lengths(void) {
    idjag_token_t *token = NULL;
    idjag_request_t request = good_request();
    const char *one = "https://mcp.chat.example/";
    size_t length = (size_t)-1;
    request.assertion_length = (size_t)-1;
    MISUSE(idjag_exchange(engine, &request, &token, &error));
    request = good_request();
    request.assertion = NULL;
    MISUSE(idjag_exchange(engine, &request, &token, &error));
    request = good_request();
    request.resources = &one;
    request.resource_lengths = &length;
    request.resource_count = 1;
    MISUSE(idjag_exchange(engine, &request, &token, &error));
    request.resource_lengths = NULL;
    MISUSE(idjag_exchange(engine, &request, &token, &error));
    request.resource_count = (size_t)-1;
    MISUSE(idjag_exchange(engine, &request, &token, &error));
    request.resource_lengths = (const size_t *)(const void *)((const char *)&length + 1);
    MISUSE(idjag_exchange(engine, &request, &token, &error));
    CHECK(token == NULL, "written");
}

/* Structures of another version. */
struct newer {
    idjag_request_t request;
    void *more;
};

static void sizes(void) {
    idjag_token_t *token = NULL;
    idjag_request_t request = good_request();
    idjag_error_t detail = IDJAG_ERROR_INIT;
    idjag_stats_t stats = IDJAG_STATS_INIT;
    idjag_verified_t *who = NULL;
    idjag_presented_t presented = IDJAG_PRESENTED_INIT;
    struct newer newer[2];
    idjag_result_t results[2];
    idjag_token_t *tokens[2] = {NULL, NULL};
    size_t size;
    for (size = 0; size <= sizeof request + 9; size++) {
        request.struct_size = size;
        request.scope = size <= offsetof(idjag_request_t, scope) ? (const char *)1 : NULL;
        if (size < offsetof(idjag_request_t, scope) || size % sizeof(size_t) != 0) {
            MISUSE(idjag_exchange(engine, &request, &token, &error));
        } else if (size <= sizeof request) {
            /* An older program: what it does not have is not looked at. */
            idjag_result_t wanted = token == NULL ? IDJAG_OK : IDJAG_REFUSED;
            CHECK(idjag_exchange(engine, &request, &token, &error) == wanted, "%zu: %s", size, error.message);
        }
    }
    /* A proof beside a token that is bound to no key is refused; to a program from before proofs, there is none. */
    presented.token = idjag_token_access_token(token, &presented.token_length);
    presented.resource = idjag_token_resource(token, &presented.resource_length);
    presented.dpop = "x";
    presented.dpop_length = 1;
    CHECK(idjag_verify(engine, &presented, &who, &error) == IDJAG_REFUSED, "a proof");
    CHECK(strcmp(error.slug, "token_proof_mismatch") == 0 && error.http_status == 401, "%s", error.slug);
    presented.dpop = (const char *)1;
    presented.struct_size = offsetof(idjag_presented_t, dpop);
    CHECK(idjag_verify(engine, &presented, &who, &error) == IDJAG_OK, "%s", error.message);
    idjag_verified_free(who);
    idjag_token_free(token);
    request.struct_size = (size_t)-1;
    MISUSE(idjag_exchange(engine, &request, &token, &error));
    request.struct_size = 1 << 20;
    MISUSE(idjag_exchange(engine, &request, &token, &error));

    /* A newer program: fine as long as it asks for nothing that is not known here. */
    memset(newer, 0, sizeof newer);
    newer[0].request = newer[1].request = good_request();
    newer[0].request.struct_size = newer[1].request.struct_size = sizeof newer[0];
    CHECK(idjag_exchange(engine, &newer[0].request, &token, &error) == IDJAG_REFUSED, "%s", error.message);
    CHECK(strcmp(error.slug, "replayed") == 0, "%s", error.slug);
    CHECK(idjag_exchange_many(engine, &newer[0].request, 2, 1, results, tokens, NULL, &error) == IDJAG_OK, "%s",
          error.message);
    CHECK(results[0] == IDJAG_REFUSED && results[1] == IDJAG_REFUSED && !tokens[0] && !tokens[1], "results");
    newer[1].more = &error;
    MISUSE(idjag_exchange(engine, &newer[1].request, &token, &error));
    MISUSE(idjag_exchange_many(engine, &newer[0].request, 2, 1, results, tokens, NULL, &error));
    newer[1].more = NULL;
    newer[1].request.struct_size -= sizeof(size_t);
    MISUSE(idjag_exchange_many(engine, &newer[0].request, 2, 1, results, tokens, NULL, &error));

    /* The detail of an error is refused before anything is done where its size cannot be. */
    detail.struct_size = 8;
    CHECK(idjag_exchange(engine, &request, &token, &detail) == IDJAG_MISUSE && detail.message[0] == 0, "detail");
    detail.struct_size = 0;
    CHECK(idjag_metadata(engine, NULL, &detail) == IDJAG_MISUSE && detail.message[0] == 0, "detail");

    /* Older counters are filled as far as they go. */
    stats.struct_size = offsetof(idjag_stats_t, replay_entries);
    stats.replay_entries = 12345;
    CHECK(idjag_stats(engine, &stats, &error) == IDJAG_OK, "%s", error.message);
    CHECK(stats.granted == 1 && stats.replay_entries == 12345 && stats.policy_digest[0] == 0, "stats");
    CHECK(stats.struct_size == offsetof(idjag_stats_t, replay_entries), "the size is the caller's");
}

/* Bytes of any kind, drawn. */
static void garbage(void) {
    static const char letters[] = "{}[]\"\\,:.eyJ0=\n\0\xff\xc3\x28 %&+";
    unsigned state = 1;
    int round;
    for (round = 0; round < 2000; round++) {
        char bytes[3][200];
        size_t index, text;
        idjag_request_t request = IDJAG_REQUEST_INIT;
        idjag_presented_t presented = IDJAG_PRESENTED_INIT;
        idjag_http_request_t http_request = IDJAG_HTTP_REQUEST_INIT;
        idjag_header_t headers[2] = {IDJAG_HEADER_INIT, IDJAG_HEADER_INIT};
        idjag_token_t *token = NULL;
        idjag_verified_t *who = NULL;
        idjag_response_t *response = NULL;
        idjag_text_t *document = NULL;
        idjag_result_t result;
        const char *resources[2];
        size_t resource_lengths[2];
        for (text = 0; text < 3; text++) {
            for (index = 0; index < sizeof bytes[text]; index++) {
                state = state * 1103515245 + 12345;
                bytes[text][index] = letters[(state >> 16) % (sizeof letters - 1)];
            }
        }
        request = good_request();
        if (round % 2) {
            request.assertion = bytes[0];
            request.assertion_length = state % sizeof bytes[0];
        } else {
            request.client_id = bytes[1];
            request.client_id_length = 1 + state % 20;
        }
        request.scope = bytes[1];
        request.scope_length = state % 30;
        resources[0] = bytes[2];
        resources[1] = bytes[1];
        resource_lengths[0] = resource_lengths[1] = state % 40;
        request.resources = resources;
        request.resource_lengths = resource_lengths;
        request.resource_count = state % 3;
        CHECK(idjag_exchange(engine, &request, &token, &error) == IDJAG_REFUSED && token == NULL, "%s", error.message);
        CHECK(error.slug != NULL && error.http_status / 100 == 4, "%s", error.message);
        presented.token = bytes[0];
        presented.token_length = presented.resource_length = sizeof bytes[0];
        presented.resource = bytes[1];
        CHECK(idjag_verify(engine, &presented, &who, &error) == IDJAG_REFUSED && who == NULL, "%s", error.message);
        headers[0].name = headers[1].value = bytes[0];
        headers[0].value = bytes[1];
        headers[1].name = round % 3 ? "Content-Type" : bytes[2];
        headers[0].name_length = headers[0].value_length = headers[1].name_length = headers[1].value_length = 12;
        http_request.method = round % 5 ? "POST" : bytes[2];
        http_request.method_length = 4;
        http_request.target = bytes[1];
        http_request.target_length = 10;
        http_request.body = bytes[2];
        http_request.body_length = sizeof bytes[2];
        http_request.peer = http_request.client_certificate = bytes[0];
        http_request.peer_length = http_request.client_certificate_length = 9;
        http_request.headers = headers;
        http_request.header_count = 2;
        CHECK(idjag_endpoint_handle(engine, &http_request, &response, &error) == IDJAG_OK, "%s", error.message);
        CHECK(idjag_response_status(response) >= 400 && idjag_response_slug(response) != NULL, "granted");
        idjag_response_free(response);
        result = idjag_put_policy(engine, "p", 1, bytes[0], state % sizeof bytes[0], &error);
        CHECK(result == IDJAG_LOAD_FAILED || state % sizeof bytes[0] < 3, "%d", result);
        CHECK(idjag_put_jwks(engine, "https://acme.idp.example", 24, bytes[1], 100, &error) == IDJAG_LOAD_FAILED, "put");
        CHECK(idjag_put_directory(engine, IDJAG_DIRECTORY_JSON, "d", 1, bytes[1], 100, &error) == IDJAG_LOAD_FAILED, "put");
        CHECK(error.message[0] != 0 && error.message[199] == 0 && error.slug == NULL && error.http_status == 0, "detail");
        CHECK(idjag_resource_metadata(engine, bytes[1], 30, &document, &error) == IDJAG_NOT_FOUND, "served");
        CHECK(idjag_challenge(engine, bytes[1], 30, IDJAG_CHALLENGE_INSUFFICIENT_SCOPE, bytes[2], 30, &document, &error) ==
                  IDJAG_OK, "%s", error.message);
        idjag_text_free(document);
    }
}

/* What a text without files, and a file that is not there, lead to. */
static void sources(const char *world) {
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_exchange_t *made = NULL;
    char *text = check_file(world), *folder = strdup(world);
    *strrchr(folder, '/') = 0;
    config.file = "/nowhere/idjag.toml";
    config.file_length = strlen(config.file);
    CHECK(idjag_exchange_new(&config, NULL, &made, &error) == IDJAG_LOAD_FAILED, "made");
    CHECK(strstr(error.message, "/nowhere/idjag.toml") != NULL, "%s", error.message);
    config.text = text;
    config.text_length = strlen(text);
    MISUSE(idjag_exchange_new(&config, NULL, &made, &error));
    config.file = NULL;
    config.file_length = 0;
    CHECK(idjag_exchange_new(&config, NULL, &made, &error) == IDJAG_LOAD_FAILED, "made");
    CHECK(strstr(error.message, "no folder") != NULL, "%s", error.message);
    config.folder = folder;
    config.folder_length = strlen(folder);
    CHECK(idjag_exchange_new(&config, NULL, &made, &error) == IDJAG_OK, "%s", error.message);
    CHECK(idjag_reload(made, &config, &error) == IDJAG_OK, "%s", error.message);
    config.text = "\xff";
    config.text_length = 1;
    CHECK(idjag_reload(made, &config, &error) == IDJAG_LOAD_FAILED, "%s", error.message);
    config.text = "issuer = 5";
    config.text_length = 10;
    config.name = "my.toml";
    config.name_length = 7;
    CHECK(idjag_reload(made, &config, &error) == IDJAG_LOAD_FAILED, "%s", error.message);
    CHECK(strstr(error.message, "my.toml:1: `issuer`") == error.message, "%s", error.message);
    idjag_exchange_free(made);
    free(text);
    free(folder);
}

/* Each of the five kinds blocks, and those that can be lifted are. */
static void revocations(const char *world) {
    static const struct {
        uint32_t kind;
        const char *name;
    } kinds[] = {
        {IDJAG_REVOKE_PERSON, "00u1a2b3c4d5e6f7g8h9"},
        {IDJAG_REVOKE_CLIENT, "f53f191f9311af35"},
        {IDJAG_REVOKE_CONNECTOR, "chat"},
        {IDJAG_REVOKE_ISSUER, "https://acme.idp.example"},
        {IDJAG_REVOKE_TOKEN, NULL},
    };
    size_t index;
    for (index = 0; index < sizeof kinds / sizeof kinds[0]; index++) {
        int64_t now = json_integer_value(json_object_get(step, "now"));
        idjag_exchange_t *fresh = check_engine(world, now);
        idjag_request_t request = good_request();
        idjag_presented_t presented = IDJAG_PRESENTED_INIT;
        idjag_revocation_t revocation = IDJAG_REVOCATION_INIT;
        idjag_token_t *token = NULL, *second = NULL;
        idjag_verified_t *who = NULL, *again = NULL;
        CHECK(idjag_exchange(fresh, &request, &token, &error) == IDJAG_OK, "%s", error.message);
        presented.token = idjag_token_access_token(token, &presented.token_length);
        presented.resource = idjag_token_resource(token, &presented.resource_length);
        CHECK(idjag_verify(fresh, &presented, &who, &error) == IDJAG_OK, "%s", error.message);
        revocation.kind = kinds[index].kind;
        revocation.name = kinds[index].name ? kinds[index].name : idjag_verified_jti(who, NULL);
        revocation.name_length = strlen(revocation.name);
        revocation.issuer = idjag_verified_idp(who, &revocation.issuer_length);
        revocation.expires_at = idjag_verified_expires_at(who);
        CHECK(idjag_revoke(fresh, &revocation, &error) == IDJAG_OK, "%s", error.message);
        CHECK(idjag_verify(fresh, &presented, &again, &error) == IDJAG_REFUSED && again == NULL, "%zu", index);
        CHECK(strcmp(error.slug, "token_revoked") == 0, "%s", error.slug);
        CHECK(idjag_exchange(fresh, &request, &second, &error) == IDJAG_REFUSED, "%zu", index);
        CHECK(strcmp(error.slug, kinds[index].name ? "blocked" : "replayed") == 0, "%s", error.slug);
        CHECK(idjag_lift(fresh, &revocation, &error) == IDJAG_OK, "%s", error.message);
        CHECK(idjag_exchange(fresh, &request, &second, &error) == IDJAG_REFUSED, "%zu", index);
        CHECK(strcmp(error.slug, "replayed") == 0, "%s", error.slug);
        idjag_verified_free(who);
        idjag_token_free(token);
        idjag_exchange_free(fresh);
    }
}

int main(int count, char **arguments) {
    CHECK(count == 3, "misuse STEPS WORLD");
    step = check_case(arguments[1], "granted-rs256");
    engine = check_engine(arguments[2], json_integer_value(json_object_get(step, "now")));
    nulls();
    lengths();
    sizes();
    garbage();
    sources(arguments[2]);
    revocations(arguments[2]);
    idjag_exchange_free(engine);
    json_decref(step);
    puts("misuse: each is a result");
    return 0;
}
