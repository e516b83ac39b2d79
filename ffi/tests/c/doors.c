/* What the header promises and no step of the table asks for: a directory that is replaced, details that are asked for, a nonce,
 * structures of an older program and of a newer one.
 *
 *     doors STEPS WORLDS */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <stddef.h>

static const char *steps_path;
static idjag_error_t error = IDJAG_ERROR_INIT;

static idjag_exchange_t *engine_of(const char *folder, const char *world, int64_t now) {
    char path[4096];
    CHECK(snprintf(path, sizeof path, "%s/%s.json", folder, world) < (int)sizeof path, "long");
    return check_engine(path, now);
}

static void put(const idjag_exchange_t *engine, uint32_t format, const char *name, const char *text, idjag_result_t wanted) {
    CHECK(idjag_put_directory(engine, format, name, strlen(name), text, strlen(text), &error) == wanted, "%s", error.message);
}

/* What comes of the exchange in `step`: NULL and the slug in `error`, or a token. */
static idjag_token_t *ask(const idjag_exchange_t *engine, json_t *step) {
    idjag_request_t request = IDJAG_REQUEST_INIT;
    idjag_token_t *token = NULL;
    check_text(step, "assertion", &request.assertion, &request.assertion_length);
    check_text(step, "client_id", &request.client_id, &request.client_id_length);
    CHECK((idjag_exchange(engine, &request, &token, &error) == IDJAG_OK) == (token != NULL), "%s", error.message);
    return token;
}

static void directory(const char *folder) {
    static const char *const nobody = "{\"version\":1,\"people\":[]}";
    static const char *const listed =
        "issuer,tenant,subject,active,group\nhttps://acme.idp.example,,00u1a2b3c4d5e6f7g8h9,true,eng\n";
    static const char *const gone =
        "issuer,tenant,subject,active,group\nhttps://acme.idp.example,,00u1a2b3c4d5e6f7g8h9,false,eng\n";
    static const char *const twice =
        "{\"version\":1,\"people\":[{\"issuer\":\"https://acme.idp.example\",\"subject\":\"00u1a2b3c4d5e6f7g8h9\","
        "\"groups\":[\"eng\"]},{\"issuer\":\"https://acme.idp.example\",\"subject\":\"bob\",\"groups\":[]}]}";
    json_t *step = check_case(steps_path, "directory-gives-groups");
    idjag_exchange_t *engine = engine_of(folder, "directory", json_integer_value(json_object_get(step, "now")));
    idjag_presented_t presented = IDJAG_PRESENTED_INIT;
    idjag_verified_t *who = NULL;
    idjag_stats_t stats = IDJAG_STATS_INIT;
    idjag_token_t *token;

    put(engine, IDJAG_DIRECTORY_JSON, "people.json", nobody, IDJAG_OK);
    CHECK(ask(engine, step) == NULL && strcmp(error.slug, "subject_unknown") == 0, "%s", error.slug);
    /* A broken one says where, and the one of before holds. */
    put(engine, IDJAG_DIRECTORY_JSON, "people.json", "{\"version\":1,\n\"people\":[7]}", IDJAG_LOAD_FAILED);
    CHECK(strstr(error.message, "people.json:2") != NULL, "%s", error.message);
    put(engine, IDJAG_DIRECTORY_CSV, "people.csv", "issuer,subject\nx\n", IDJAG_LOAD_FAILED);
    CHECK(strstr(error.message, "people.csv") != NULL, "%s", error.message);
    CHECK(ask(engine, step) == NULL && strcmp(error.slug, "subject_unknown") == 0, "%s", error.slug);

    put(engine, IDJAG_DIRECTORY_CSV, "people.csv", listed, IDJAG_OK);
    token = ask(engine, step);
    CHECK(token != NULL, "%s", error.slug);
    presented.token = idjag_token_access_token(token, &presented.token_length);
    presented.resource = idjag_token_resource(token, &presented.resource_length);
    CHECK(idjag_verify(engine, &presented, &who, &error) == IDJAG_OK, "%s", error.slug);
    CHECK(strcmp(idjag_verified_group(who, 0, NULL), "eng") == 0, "groups");
    idjag_verified_free(who);
    who = NULL;
    put(engine, IDJAG_DIRECTORY_JSON, "people.json", twice, IDJAG_OK);
    CHECK(idjag_stats(engine, &stats, &error) == IDJAG_OK && stats.people == 2, "people");
    put(engine, IDJAG_DIRECTORY_CSV, "people.csv", gone, IDJAG_OK);
    CHECK(idjag_verify(engine, &presented, &who, &error) == IDJAG_REFUSED && who == NULL, "who left");
    CHECK(strcmp(error.slug, "token_no_longer_granted") == 0, "%s", error.slug);
    idjag_token_free(token);
    idjag_exchange_free(engine);
    json_decref(step);
}

/* The request of the table with this name; a new reference. */
static json_t *request_of(const char *name) {
    char *line = NULL;
    size_t room = 0;
    FILE *steps = fopen(steps_path, "rb");
    json_t *step;
    CHECK(steps != NULL, "%s", steps_path);
    while ((step = check_step(steps, &line, &room)) != NULL) {
        const char *named = json_string_value(json_object_get(step, "name"));
        if (named != NULL && strcmp(named, name) == 0) {
            break;
        }
        json_decref(step);
    }
    CHECK(step != NULL, "%s is not there", name);
    free(line);
    fclose(steps);
    return step;
}

static void details(const char *folder) {
    json_t *step = request_of("details-one"), *claims, *given;
    idjag_exchange_t *engine = engine_of(folder, "requests-details", json_integer_value(json_object_get(step, "now")));
    const char *assertion = strstr(json_string_value(json_object_get(step, "body")), "assertion=") + strlen("assertion=");
    static const char *const asked = "[{\"type\":\"chat_search\",\"actions\":[\"read\"]}]";
    static const char *const others = "[{\"type\":\"chat_search\",\"actions\":[\"write\"]}]";
    idjag_request_t request = IDJAG_REQUEST_INIT;
    idjag_presented_t presented = IDJAG_PRESENTED_INIT;
    idjag_verified_t *who = NULL;
    idjag_token_t *token = NULL;
    request.assertion = assertion;
    request.assertion_length = strcspn(assertion, "&");
    request.client_id = "f53f191f9311af35";
    request.client_id_length = strlen(request.client_id);
    request.authorization_details = others;
    request.authorization_details_length = strlen(others);
    CHECK(idjag_exchange(engine, &request, &token, &error) == IDJAG_REFUSED, "details of no claim");
    CHECK(strcmp(error.oauth_error, "invalid_authorization_details") == 0, "%s", error.oauth_error);
    request.authorization_details = asked;
    request.authorization_details_length = strlen(asked);
    CHECK(idjag_exchange(engine, &request, &token, &error) == IDJAG_OK, "%s", error.slug);
    claims = json_loads(asked, 0, NULL);
    given = json_loads(idjag_token_authorization_details(token, NULL), 0, NULL);
    CHECK(json_equal(claims, given), "what was asked for is what was given");
    json_decref(given);
    presented.token = idjag_token_access_token(token, &presented.token_length);
    presented.resource = idjag_token_resource(token, &presented.resource_length);
    CHECK(idjag_verify(engine, &presented, &who, &error) == IDJAG_OK, "%s", error.slug);
    given = json_loads(idjag_verified_claims(who, NULL), 0, NULL);
    CHECK(json_equal(claims, json_object_get(given, "authorization_details")), "and what the token says");
    json_decref(given);
    json_decref(claims);
    json_decref(step);
    idjag_verified_free(who);
    idjag_token_free(token);
    idjag_exchange_free(engine);
}

static void nonce(const char *folder) {
    const int64_t now = 1784527300;
    idjag_exchange_t *with = engine_of(folder, "requests-with-nonce", now), *without = engine_of(folder, "requests", now);
    idjag_text_t *first = NULL, *second = NULL;
    size_t length = 0;
    CHECK(idjag_dpop_nonce(with, &first, &error) == IDJAG_OK && idjag_text_data(first, &length) != NULL, "%s", error.message);
    CHECK(length >= 16 && strlen(idjag_text_data(first, NULL)) == length, "%zu", length);
    CHECK(idjag_dpop_nonce(with, &second, &error) == IDJAG_OK, "%s", error.message);
    CHECK(strcmp(idjag_text_data(first, NULL), idjag_text_data(second, NULL)) == 0, "the clock stands");
    idjag_text_free(first);
    idjag_text_free(second);
    first = NULL;
    CHECK(idjag_dpop_nonce(without, &first, &error) == IDJAG_NOT_FOUND && first == NULL, "no nonce is asked for");
    idjag_exchange_free(with);
    idjag_exchange_free(without);
}

/* Programs that were compiled against an older header, and against a newer one. */
static void sizes(const char *folder) {
    struct {
        idjag_error_t error;
        char more[64];
    } newer_error;
    struct {
        idjag_stats_t stats;
        uint64_t more[4];
    } newer_stats;
    struct {
        idjag_callbacks_t callbacks;
        void *more;
    } newer_callbacks;
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_callbacks_t callbacks = check_callbacks(1784527300);
    idjag_error_t plain = IDJAG_ERROR_INIT;
    idjag_stats_t stats = IDJAG_STATS_INIT;
    idjag_exchange_t *engine = NULL;
    json_t *step = check_case(steps_path, "granted-rs256");
    idjag_token_t *token;
    char path[4096];
    CHECK(snprintf(path, sizeof path, "%s/base.json", folder) < (int)sizeof path, "long");
    config.file = path;
    config.file_length = strlen(path);

    /* What an older program does not have is not looked at: here it is no function at all. */
    memset((char *)&callbacks + offsetof(idjag_callbacks_t, client_document), 0xa5,
           sizeof callbacks - offsetof(idjag_callbacks_t, client_document));
    callbacks.struct_size = offsetof(idjag_callbacks_t, client_document);
    CHECK(idjag_exchange_new(&config, &callbacks, &engine, &error) == IDJAG_OK, "%s", error.message);
    token = ask(engine, step);
    CHECK(token != NULL, "%s", error.slug);
    idjag_token_free(token);
    idjag_exchange_free(engine);
    engine = NULL;

    /* A newer one may ask for nothing that is not known here. */
    memset(&newer_callbacks, 0, sizeof newer_callbacks);
    newer_callbacks.callbacks = check_callbacks(1784527300);
    newer_callbacks.callbacks.struct_size = sizeof newer_callbacks;
    CHECK(idjag_exchange_new(&config, &newer_callbacks.callbacks, &engine, &error) == IDJAG_OK, "%s", error.message);
    idjag_exchange_free(engine);
    engine = NULL;
    newer_callbacks.more = &error;
    CHECK(idjag_exchange_new(&config, &newer_callbacks.callbacks, &engine, &error) == IDJAG_MISUSE && engine == NULL, "more");
    newer_callbacks.callbacks.struct_size = sizeof(size_t) - 1;
    CHECK(idjag_exchange_new(&config, &newer_callbacks.callbacks, &engine, &error) == IDJAG_MISUSE && engine == NULL, "less");

    /* What is filled is filled as far as this library knows it; the rest is the caller's. */
    engine = check_engine(path, 1784527300);
    memset(&newer_error, 0x5a, sizeof newer_error);
    newer_error.error = plain;
    newer_error.error.struct_size = sizeof newer_error;
    CHECK(idjag_metadata(engine, NULL, &newer_error.error) == IDJAG_MISUSE && newer_error.error.message[0] != 0, "error");
    CHECK(newer_error.error.struct_size == sizeof newer_error, "the size is the caller's");
    memset(&newer_stats, 0, sizeof newer_stats);
    newer_stats.stats = stats;
    newer_stats.stats.struct_size = sizeof newer_stats;
    CHECK(idjag_stats(engine, &newer_stats.stats, &error) == IDJAG_OK && newer_stats.stats.generation == 1, "%s", error.message);
    CHECK(newer_stats.stats.struct_size == sizeof newer_stats, "the size is the caller's");
    idjag_exchange_free(engine);
    json_decref(step);
}

int main(int count, char **arguments) {
    CHECK(count == 3, "doors STEPS WORLDS");
    steps_path = arguments[1];
    directory(arguments[2]);
    details(arguments[2]);
    nonce(arguments[2]);
    sizes(arguments[2]);
    printf("doors: what is replaced, asked for and older\n");
    return 0;
}
