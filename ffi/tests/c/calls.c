/* The functions in any order, with every lifetime that the header allows: bytes decide which is called and with what.
 *
 *     calls STEPS WORLD SEED RUNS [FILE…]  draws bytes by itself, and takes those of the files
 *     IDJAG_STEPS=… IDJAG_WORLD=… calls    with libFuzzer, which `make fuzz` links: LIBFUZZER is defined
 *
 * AddressSanitizer watches. And of the assertions here, which have one jti, an engine exchanges one at most; whatever is not
 * IDJAG_OK has written nothing. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>

enum { ENGINES = 3, OBJECTS = 4, ASSERTIONS = 3 };

static const char *world;
static json_t *steps[ASSERTIONS];
static const char *const policies[] = {
    "connectors = []\n",
    "[[connectors]]\nid = \"chat\"\nresource = \"https://mcp.chat.example/\"\nscopes = [\"chat.read\"]\nstate = \"retired\"\n"
    "[[connectors]]\nid = \"notes\"\nresource = \"https://mcp.notes.example/\"\nscopes = [\"n\"]\nstate = \"planned\"\n",
};

/* What is there at the moment. */
static idjag_exchange_t *engines[ENGINES];
static int granted[ENGINES];
static idjag_idp_t *idps[ENGINES];
static idjag_token_t *tokens[OBJECTS];
static idjag_verified_t *verified[OBJECTS];
static idjag_response_t *responses[OBJECTS];
static idjag_text_t *texts[OBJECTS];
static idjag_sources_t *sources[OBJECTS];

/* The last of them has a host that keeps what was used and the record: one key, which all that come are, and how it fails. */
static pthread_mutex_t keeps = PTHREAD_MUTEX_INITIALIZER;
static int is_used, fails;

static void host_claim(void *now, const uint8_t *keys, const int64_t *expires_at, size_t count, int64_t at, uint32_t *answers) {
    size_t index;
    unsigned sum = 0; /* so that what is lent is read */
    pthread_mutex_lock(&keeps);
    for (index = 0; index < count && !(fails & 1); index++) {
        CHECK(now == &check_now && expires_at[index] > at, "claim");
        sum += keys[16 * index + 15];
        answers[index] = is_used ? IDJAG_CLAIM_SEEN : IDJAG_CLAIM_FIRST;
        is_used = 1;
    }
    CHECK(sum <= 255 * count, "claim");
    pthread_mutex_unlock(&keeps);
}

static int64_t host_since(void *now) {
    return *(const int64_t *)now - ((fails & 2) ? 0 : 3600);
}

static int host_record(void *now, const char *line, size_t length, uint64_t *receipt) {
    CHECK(now == &check_now && length > 2 && line[0] == '{' && line[length - 1] == '}', "record");
    *receipt = length;
    return (fails & 4) ? -1 : IDJAG_OK;
}

static int host_wait(void *now, uint64_t receipt) {
    CHECK(now == &check_now && receipt > 2, "wait");
    return (fails & 8) ? -1 : IDJAG_OK;
}

static idjag_exchange_t *new_engine(unsigned engine) {
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_callbacks_t callbacks = check_callbacks(json_integer_value(json_object_get(steps[0], "now")));
    idjag_exchange_t *made = NULL;
    idjag_error_t error = IDJAG_ERROR_INIT;
    config.file = world;
    config.file_length = strlen(world);
    is_used = engine == ENGINES - 1 ? 0 : is_used;
    if (engine == ENGINES - 1) {
        callbacks.claim = host_claim;
        callbacks.remembers_since = host_since;
        callbacks.record = host_record;
        callbacks.record_wait = host_wait;
    }
    CHECK(idjag_exchange_new(&config, &callbacks, &made, &error) == IDJAG_OK, "%s", error.message);
    return made;
}

/* The bytes that decide. Behind the last they are 0. */
static const unsigned char *bytes;
static size_t left;

static unsigned draw(unsigned below) {
    unsigned drawn = 0;
    if (left > 0) {
        drawn = *bytes++;
        left--;
    }
    return drawn % below;
}

/* A text out of the bytes themselves, or one that fits. */
static const char *draw_text(const char *fitting, size_t *length) {
    const char *text = (const char *)bytes;
    if (draw(3) != 0) {
        *length = strlen(fitting);
        return fitting;
    }
    *length = draw(64);
    *length = *length < left ? *length : left;
    return *length > 0 ? text : "";
}

/* `length` is written while `text` is asked for. */
static size_t read_text(const char *text, const size_t *length) {
    size_t sum = 0, index;
    for (index = 0; text != NULL && index <= *length; index++) {
        sum += (unsigned char)text[index];
    }
    return sum;
}

static idjag_request_t draw_request(const char **resource, size_t *resource_length) {
    idjag_request_t request = IDJAG_REQUEST_INIT;
    json_t *step = steps[draw(ASSERTIONS)];
    check_text(step, "assertion", &request.assertion, &request.assertion_length);
    check_text(step, "client_id", &request.client_id, &request.client_id_length);
    if (draw(4) == 0) {
        request.assertion = draw_text("a.b.c", &request.assertion_length);
    }
    if (draw(4) == 0) {
        request.scope = draw_text("chat.read", &request.scope_length);
    }
    if (draw(4) == 0) {
        *resource = draw_text("https://mcp.chat.example/", resource_length);
        request.resources = resource;
        request.resource_lengths = resource_length;
        request.resource_count = 1;
    }
    if (draw(16) == 0) {
        request.struct_size = draw((unsigned)sizeof request + 1);
    }
    return request;
}

static void exchange(unsigned engine) {
    const char *resource;
    size_t resource_length;
    idjag_request_t request = draw_request(&resource, &resource_length);
    idjag_token_t *token = NULL;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_result_t result = idjag_exchange(engines[engine], &request, &token, draw(2) ? &error : NULL);
    unsigned slot = draw(OBJECTS);
    CHECK((result == IDJAG_OK) == (token != NULL), "%d", (int)result);
    CHECK(result == IDJAG_OK || result == IDJAG_REFUSED || result == IDJAG_MISUSE || engines[engine] == NULL ||
              (result == IDJAG_UNAVAILABLE && engine == ENGINES - 1),
          "%d", (int)result);
    if (token != NULL) {
        CHECK(granted[engine]++ == 0, "two tokens for one jti");
        idjag_token_free(tokens[slot]);
        tokens[slot] = token;
    }
}

static void exchange_many(unsigned engine) {
    enum { MOST = 4 };
    const char *resources[MOST];
    size_t lengths[MOST];
    idjag_request_t requests[MOST];
    idjag_result_t results[MOST];
    idjag_token_t *given[MOST] = {NULL, NULL, NULL, NULL};
    idjag_error_t one = IDJAG_ERROR_INIT, errors[MOST];
    unsigned count = draw(MOST + 1), index;
    for (index = 0; index < MOST; index++) {
        errors[index] = one;
        requests[index] = draw_request(&resources[index], &lengths[index]);
    }
    if (idjag_exchange_many(engines[engine], requests, count, 1 + draw(2), results, given, draw(2) ? errors : NULL, &one) !=
        IDJAG_OK) {
        count = 0;
    }
    for (index = 0; index < MOST; index++) {
        CHECK((index < count && results[index] == IDJAG_OK) == (given[index] != NULL), "%u of %u", index, count);
        if (given[index] != NULL) {
            CHECK(granted[engine]++ == 0, "two tokens for one jti");
            read_text(idjag_token_access_token(given[index], &lengths[0]), &lengths[0]);
            idjag_token_free(given[index]);
        }
    }
}

static void verify(unsigned engine) {
    idjag_presented_t presented = IDJAG_PRESENTED_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_verified_t *who = NULL;
    unsigned slot = draw(OBJECTS);
    presented.token = idjag_token_access_token(tokens[slot], &presented.token_length);
    presented.resource = draw_text("https://mcp.chat.example/", &presented.resource_length);
    if (presented.token == NULL || draw(4) == 0) {
        presented.token = draw_text("a.b.c", &presented.token_length);
    }
    if (draw(8) == 0) {
        presented.dpop = draw_text("x", &presented.dpop_length);
    }
    CHECK((idjag_verify(engines[engine], &presented, &who, &error) == IDJAG_OK) == (who != NULL), "verify");
    if (who != NULL) {
        slot = draw(OBJECTS);
        idjag_verified_free(verified[slot]);
        verified[slot] = who;
    }
}

static void ask(unsigned engine) {
    idjag_http_request_t request = IDJAG_HTTP_REQUEST_INIT;
    idjag_header_t headers[2] = {IDJAG_HEADER_INIT, IDJAG_HEADER_INIT};
    idjag_response_t *response = NULL;
    idjag_error_t error = IDJAG_ERROR_INIT;
    unsigned which = draw(3), slot = draw(OBJECTS);
    request.method = draw_text("POST", &request.method_length);
    request.target = draw_text("/token", &request.target_length);
    request.body = draw_text("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.c&token=x",
                             &request.body_length);
    headers[0].name = draw_text("content-type", &headers[0].name_length);
    headers[0].value = draw_text("application/x-www-form-urlencoded", &headers[0].value_length);
    headers[1].name = draw_text("authorization", &headers[1].name_length);
    headers[1].value = draw_text("Basic eDp5", &headers[1].value_length);
    request.headers = headers;
    request.header_count = draw(3);
    CHECK(((which == 0   ? idjag_endpoint_handle
            : which == 1 ? idjag_endpoint_revoke
                         : idjag_endpoint_introspect)(engines[engine], &request, &response, &error) == IDJAG_OK) ==
              (response != NULL), "%s", error.message);
    if (response != NULL) {
        idjag_response_free(responses[slot]);
        responses[slot] = response;
    }
}

/* The other party. */
static void issue(unsigned which) {
    static const char config_text[] =
        "issuer = 'https://acme.idp.example'\ntokens.keys = 'ephemeral'\n[[clients]]\nid = 'agent'\nauth = 'none'\n"
        "[[subject_tokens]]\nissuer = 'https://acme.idp.example'\nown_keys = true\n[[targets]]\n"
        "audience = 'https://auth.chat.example/'\nresource = 'https://mcp.chat.example/'\nscopes = ['chat.read']\n"
        "everyone = true\nclients = [{ id = 'agent', client_id = 'agent' }]\n";
    static const char *const form =
        "grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3Atoken-exchange&requested_token_type="
        "urn%%3Aietf%%3Aparams%%3Aoauth%%3Atoken-type%%3Aid-jag&audience=https%%3A%%2F%%2Fauth.chat.example%%2F"
        "&subject_token=%s&subject_token_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Atoken-type%%3Aid_token&client_id=agent";
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_http_request_t request = IDJAG_HTTP_REQUEST_INIT;
    idjag_header_t header = IDJAG_HEADER_INIT;
    idjag_id_token_t id_token = IDJAG_ID_TOKEN_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_response_t *response = NULL;
    idjag_text_t *text = NULL;
    const char *group;
    char body[2048];
    size_t length;
    idjag_result_t result;
    unsigned slot = draw(OBJECTS);
    switch (draw(5)) {
    case 0:
        idjag_idp_free(idps[which]);
        idps[which] = NULL;
        config.text = draw_text(config_text, &config.text_length);
        CHECK((idjag_idp_new(&config, NULL, &idps[which], &error) == IDJAG_OK) == (idps[which] != NULL), "%s", error.message);
        return;
    case 1: result = idjag_idp_metadata(idps[which], &text, &error); break;
    case 2: result = draw(2) ? idjag_idp_jwks(idps[which], &text, &error) : idjag_idp_warnings(idps[which], &text, &error); break;
    case 3:
        id_token.subject = draw_text("ada", &id_token.subject_length);
        id_token.client_id = draw_text("agent", &id_token.client_id_length);
        id_token.issued_at = 1784527300;
        id_token.lifetime_s = draw(200);
        group = draw_text("eng", &length);
        id_token.groups = &group;
        id_token.group_lengths = &length;
        id_token.group_count = draw(2);
        result = idjag_idp_id_token(idps[which], &id_token, &text, &error);
        break;
    default:
        snprintf(body, sizeof body, form, texts[slot] != NULL ? idjag_text_data(texts[slot], NULL) : "x");
        header.name = "content-type";
        header.name_length = strlen(header.name);
        header.value = "application/x-www-form-urlencoded";
        header.value_length = strlen(header.value);
        request.method = "POST";
        request.method_length = 4;
        request.target = draw_text("/token", &request.target_length);
        request.headers = &header;
        request.header_count = 1;
        request.body = draw_text(body, &request.body_length);
        result = idjag_idp_handle(idps[which], &request, &response, &error);
    }
    CHECK((result == IDJAG_OK) == (text != NULL || response != NULL), "%d", (int)result);
    slot = draw(OBJECTS);
    if (text != NULL) {
        idjag_text_free(texts[slot]);
        texts[slot] = text;
    }
    if (response != NULL) {
        idjag_response_free(responses[slot]);
        responses[slot] = response;
    }
}

static void change(unsigned engine) {
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_revocation_t revocation = IDJAG_REVOCATION_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT;
    const char *text;
    size_t length;
    switch (draw(6)) {
    case 0:
        text = draw_text(policies[draw(2)], &length);
        idjag_put_policy(engines[engine], "p", 1, text, length, &error);
        break;
    case 1:
        text = draw_text("{\"keys\":[]}", &length);
        idjag_put_jwks(engines[engine], "https://acme.idp.example", 24, text, length, &error);
        break;
    case 2:
        text = draw_text("{\"version\":1,\"people\":[]}", &length);
        idjag_put_directory(engines[engine], draw(3), "d", 1, text, length, &error);
        break;
    case 3:
        config.file = world;
        config.file_length = strlen(world);
        idjag_reload(engines[engine], &config, &error);
        break;
    default:
        revocation.kind = draw(7);
        revocation.name = draw_text("chat", &revocation.name_length);
        revocation.issuer = draw_text("https://acme.idp.example", &revocation.issuer_length);
        (draw(2) ? idjag_revoke : idjag_lift)(engines[engine], &revocation, &error);
    }
}

static void document(unsigned engine) {
    idjag_text_t *text = NULL;
    const char *resource, *scope = draw(2) ? "chat.read" : NULL;
    size_t length;
    unsigned slot = draw(OBJECTS);
    idjag_result_t result;
    resource = draw_text("https://mcp.chat.example/", &length);
    if (draw(7) == 0) {
        idjag_sources_t *list = NULL;
        CHECK((idjag_sources(engines[engine], &list, NULL) == IDJAG_OK) == (list != NULL), "sources");
        if (list != NULL) {
            idjag_sources_free(sources[slot]);
            sources[slot] = list;
        }
    }
    switch (draw(7)) {
    case 0: result = idjag_metadata(engines[engine], &text, NULL); break;
    case 1: result = idjag_jwks(engines[engine], &text, NULL); break;
    case 2: result = idjag_warnings(engines[engine], &text, NULL); break;
    case 3: result = idjag_authorization_endpoint(engines[engine], &text, NULL); break;
    case 4: result = idjag_resource_metadata(engines[engine], resource, length, &text, NULL); break;
    case 5: result = idjag_dpop_nonce(engines[engine], &text, NULL); break;
    default:
        result = idjag_challenge(engines[engine], resource, length, draw(IDJAG_CHALLENGE_USE_NONCE + 2), scope,
                                 scope == NULL ? 0 : strlen(scope), &text, NULL);
    }
    CHECK((result == IDJAG_OK) == (text != NULL), "%d", (int)result);
    if (text != NULL) {
        idjag_text_free(texts[slot]);
        texts[slot] = text;
    }
}

/* Reads whatever is in a place of each kind: there, or NULL. */
static void read_objects(unsigned slot) {
    size_t length, index;
    const char *value = NULL;
    idjag_stats_t stats = IDJAG_STATS_INIT;
    idjag_source_t source = IDJAG_SOURCE_INIT;
    static const char *(*const of_token[])(const idjag_token_t *, size_t *) = {
        idjag_token_scope, idjag_token_resource, idjag_token_access_token, idjag_token_token_type,
        idjag_token_authorization_details};
    static const char *(*const of_verified[])(const idjag_verified_t *, size_t *) = {
        idjag_verified_subject, idjag_verified_client_id, idjag_verified_idp, idjag_verified_tenant, idjag_verified_resource,
        idjag_verified_scope, idjag_verified_claims, idjag_verified_act, idjag_verified_cnf, idjag_verified_jti,
        idjag_verified_token_type};
    for (index = 0; index < sizeof of_token / sizeof *of_token; index++) {
        read_text(of_token[index](tokens[slot], &length), &length);
    }
    for (index = 0; index < sizeof of_verified / sizeof *of_verified; index++) {
        read_text(of_verified[index](verified[slot], &length), &length);
    }
    CHECK((idjag_token_expires_in(tokens[slot]) > 0) == (tokens[slot] != NULL), "expires_in");
    CHECK((idjag_verified_expires_at(verified[slot]) > idjag_verified_issued_at(verified[slot])) == (verified[slot] != NULL),
          "expires_at");
    for (index = 0; index <= idjag_verified_group_count(verified[slot]); index++) {
        read_text(idjag_verified_group(verified[slot], index, &length), &length);
    }
    CHECK((idjag_response_status(responses[slot]) >= 200) == (responses[slot] != NULL), "status");
    if (idjag_response_slug(responses[slot]) != NULL) {
        length = strlen(idjag_response_slug(responses[slot]));
        read_text(idjag_response_slug(responses[slot]), &length);
    }
    value = idjag_response_header(responses[slot], "cache-control", strlen("cache-control"));
    CHECK(value == NULL || strcmp(value, "no-store") == 0, "cache-control");
    CHECK(strcmp(idjag_version(), IDJAG_VERSION) == 0, "version");
    read_text(idjag_response_body(responses[slot], &length), &length);
    for (index = 0; index <= idjag_response_header_count(responses[slot]); index++) {
        if (idjag_response_header_at(responses[slot], index, &value) != NULL) {
            length = strlen(value);
            read_text(value, &length);
        }
    }
    read_text(idjag_text_data(texts[slot], &length), &length);
    for (index = 0; index < idjag_sources_count(sources[slot]); index++) {
        CHECK(idjag_sources_at(sources[slot], index, &source, NULL) == IDJAG_OK, "source");
    }
    if (idjag_sources_at(sources[slot], draw(2), &source, NULL) == IDJAG_OK) {
        length = strlen(source.owner);
        read_text(source.owner, &length);
    }
    idjag_stats(engines[draw(ENGINES)], &stats, NULL);
}

static void free_objects(unsigned slot) {
    idjag_token_free(tokens[slot]);
    idjag_verified_free(verified[slot]);
    idjag_response_free(responses[slot]);
    idjag_text_free(texts[slot]);
    idjag_sources_free(sources[slot]);
    sources[slot] = NULL;
    tokens[slot] = NULL;
    verified[slot] = NULL;
    responses[slot] = NULL;
    texts[slot] = NULL;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    unsigned engine, slot;
    if (steps[0] == NULL) {
        static const char *const names[ASSERTIONS] = {"granted-rs256", "granted-es256", "granted-eddsa"};
        world = getenv("IDJAG_WORLD");
        CHECK(world != NULL && getenv("IDJAG_STEPS") != NULL, "IDJAG_WORLD and IDJAG_STEPS say where they are");
        for (slot = 0; slot < ASSERTIONS; slot++) {
            steps[slot] = check_case(getenv("IDJAG_STEPS"), names[slot]);
        }
    }
    bytes = data;
    left = size;
    while (left > 0) {
        engine = draw(ENGINES);
        fails = draw(8) == 0 ? (int)draw(16) : fails;
        if (engines[engine] == NULL && draw(4) != 0) {
            fails = draw(2) ? 0 : draw(16);
            engines[engine] = new_engine(engine);
            granted[engine] = 0;
        }
        switch (draw(11)) {
        case 0: exchange(engine); break;
        case 1: exchange_many(engine); break;
        case 2: case 3: verify(engine); break;
        case 4: ask(engine); break;
        case 5: change(engine); break;
        case 6: document(engine); break;
        case 7: read_objects(draw(OBJECTS)); break;
        case 8: free_objects(draw(OBJECTS)); break;
        case 9: issue(engine); break;
        default:
            if (draw(4) == 0) {
                idjag_exchange_free(engines[engine]);
                engines[engine] = NULL;
            } else {
                exchange(engine);
            }
        }
    }
    for (engine = 0; engine < ENGINES; engine++) {
        idjag_exchange_free(engines[engine]);
        engines[engine] = NULL;
        idjag_idp_free(idps[engine]);
        idps[engine] = NULL;
    }
    for (slot = 0; slot < OBJECTS; slot++) {
        read_objects(slot);
        free_objects(slot);
    }
    return 0;
}

#ifndef LIBFUZZER
int main(int count, char **arguments) {
    unsigned char data[512];
    unsigned long seed, run, runs;
    size_t index, at;
    CHECK(count >= 5, "calls STEPS WORLD SEED RUNS [FILE…]");
    setenv("IDJAG_STEPS", arguments[1], 1);
    setenv("IDJAG_WORLD", arguments[2], 1);
    seed = strtoul(arguments[3], NULL, 10);
    runs = strtoul(arguments[4], NULL, 10);
    for (run = 0; run < runs; run++) {
        for (index = 0; index < sizeof data; index++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            data[index] = (unsigned char)(seed >> 33);
        }
        LLVMFuzzerTestOneInput(data, 1 + data[0] * 2u);
    }
    for (at = 5; at < (size_t)count; at++) {
        FILE *file = fopen(arguments[at], "rb");
        CHECK(file != NULL, "%s", arguments[at]);
        LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof data, file));
        fclose(file);
    }
    for (at = 0; at < ASSERTIONS; at++) {
        json_decref(steps[at]);
    }
    printf("calls: %lu runs, %d files\n", runs, count - 5);
    return 0;
}
#endif
