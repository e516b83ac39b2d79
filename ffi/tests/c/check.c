/* See check.h. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

int64_t check_now;
json_t *check_documents, *check_asked;

static int64_t check_clock(void *now) {
    return *(const int64_t *)now;
}

char *check_file(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t length = 0, room = 0, got;
    CHECK(file != NULL, "%s", path);
    do {
        if (length + 1 >= room) {
            room = room * 2 + 4096;
            text = (char *)realloc(text, room);
            CHECK(text != NULL, "memory");
        }
        got = fread(text + length, 1, room - length - 1, file);
        length += got;
    } while (got > 0);
    text[length] = 0;
    fclose(file);
    return text;
}

/* Both callbacks: hands over what is there, in two pieces. */
static int check_fetch(void *now, const char *url, size_t length, idjag_document_t *document) {
    json_t *found = json_object_get(check_documents, url);
    const char *text = json_string_value(found);
    size_t half = json_string_length(found) / 2;
    CHECK(now == &check_now && strlen(url) == length, "%s", url);
    if (check_asked != NULL) {
        json_array_append_new(check_asked, json_string(url));
    }
    if (text == NULL) {
        return json_is_null(found) ? IDJAG_NOT_FOUND : IDJAG_UNAVAILABLE;
    }
    CHECK(idjag_document_append(document, text, half, NULL) == IDJAG_OK, "append");
    return (int)idjag_document_append(document, text + half, json_string_length(found) - half, NULL);
}

idjag_callbacks_t check_callbacks(int64_t now) {
    idjag_callbacks_t callbacks = IDJAG_CALLBACKS_INIT;
    check_now = now;
    callbacks.context = &check_now;
    callbacks.clock = check_clock;
    callbacks.client_document = check_fetch;
    callbacks.client_keys = check_fetch;
    return callbacks;
}

idjag_exchange_t *check_engine(const char *path, int64_t now) {
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_callbacks_t callbacks = check_callbacks(now);
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_exchange_t *exchange = NULL;
    config.file = path;
    config.file_length = strlen(path);
    CHECK(idjag_exchange_new(&config, &callbacks, &exchange, &error) == IDJAG_OK, "%s", error.message);
    return exchange;
}

idjag_idp_t *check_idp(const char *path, int64_t now) {
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_callbacks_t callbacks = check_callbacks(now);
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_idp_t *idp = NULL;
    config.file = path;
    config.file_length = strlen(path);
    CHECK(idjag_idp_new(&config, &callbacks, &idp, &error) == IDJAG_OK, "%s", error.message);
    return idp;
}

char *check_ask(const idjag_idp_t *idp, const char *id_token, const char *slug) {
    idjag_http_request_t request = IDJAG_HTTP_REQUEST_INIT;
    idjag_header_t header = IDJAG_HEADER_INIT;
    idjag_response_t *response = NULL;
    idjag_error_t error = IDJAG_ERROR_INIT;
    char body[4096], *id_jag = NULL;
    json_t *answer;
    snprintf(body, sizeof body,
             "grant_type=urn:ietf:params:oauth:grant-type:token-exchange"
             "&requested_token_type=urn:ietf:params:oauth:token-type:id-jag"
             "&audience=https://auth.chat.example/&resource=https://mcp.chat.example/"
             "&subject_token=%s&subject_token_type=urn:ietf:params:oauth:token-type:id_token"
             "&client_id=agent&client_secret=a-secret-to-be-drawn",
             id_token);
    header.name = "content-type";
    header.name_length = strlen(header.name);
    header.value = "application/x-www-form-urlencoded";
    header.value_length = strlen(header.value);
    request.method = "POST";
    request.method_length = 4;
    request.target = "/token";
    request.target_length = 6;
    request.headers = &header;
    request.header_count = 1;
    request.body = body;
    request.body_length = strlen(body);
    CHECK(idjag_idp_handle(idp, &request, &response, &error) == IDJAG_OK, "%s", error.message);
    if (slug != NULL) {
        CHECK(idjag_response_slug(response) != NULL && strcmp(idjag_response_slug(response), slug) == 0, "%s",
              idjag_response_slug(response));
    } else {
        CHECK(idjag_response_status(response) == 200, "%s", idjag_response_slug(response));
        answer = json_loads(idjag_response_body(response, NULL), 0, NULL);
        id_jag = json_dumps(json_object_get(answer, "access_token"), JSON_ENCODE_ANY);
        json_decref(answer);
    }
    idjag_response_free(response);
    return id_jag;
}

idjag_idp_t *check_new_idp(const char *issuer, const idjag_callbacks_t *callbacks) {
    static const char form[] =
        "issuer = '%s'\ntokens.keys = 'ephemeral'\n[[clients]]\nid = 'agent'\nauth = 'client_secret_post'\n"
        "secret_sha256 = 'e23b3c98a81b19fe75c47a934d7a8b463d209a0bbd191f18fc610908873473e0'\n"
        "[[subject_tokens]]\nissuer = '%s'\nown_keys = true\n[[targets]]\naudience = 'https://auth.chat.example/'\n"
        "resource = 'https://mcp.chat.example/'\nscopes = ['chat.read']\neveryone = true\n"
        "clients = [{ id = 'agent', client_id = 'f53f191f9311af35' }]\n";
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_idp_t *made = NULL;
    char text[1024];
    snprintf(text, sizeof text, form, issuer, issuer);
    config.text = text;
    config.text_length = strlen(text);
    CHECK(idjag_idp_new(&config, callbacks, &made, &error) == IDJAG_OK, "%s", error.message);
    return made;
}

char *check_new_id_jag(const idjag_idp_t *idp, int64_t now) {
    idjag_id_token_t ada = IDJAG_ID_TOKEN_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_text_t *id_token = NULL;
    char *id_jag;
    ada.subject = "ada";
    ada.subject_length = 3;
    ada.client_id = "agent";
    ada.client_id_length = 5;
    ada.issued_at = now;
    ada.lifetime_s = 3600;
    CHECK(idjag_idp_id_token(idp, &ada, &id_token, &error) == IDJAG_OK, "%s", error.message);
    id_jag = check_ask(idp, idjag_text_data(id_token, NULL), NULL);
    idjag_text_free(id_token);
    /* Out of its quotes. */
    memmove(id_jag, id_jag + 1, strlen(id_jag) - 2);
    id_jag[strlen(id_jag) - 2] = 0;
    return id_jag;
}

json_t *check_step(FILE *steps, char **line, size_t *room) {
    json_error_t why;
    ssize_t length = getline(line, room, steps);
    json_t *step;
    if (length < 0) {
        return NULL;
    }
    step = json_loadb(*line, (size_t)length, JSON_ALLOW_NUL, &why);
    CHECK(step != NULL, "%s", why.text);
    return step;
}

json_t *check_case(const char *path, const char *name) {
    FILE *steps = fopen(path, "rb");
    char *line = NULL;
    size_t room = 0;
    int found = 0;
    json_t *step;
    CHECK(steps != NULL, "%s", path);
    while ((step = check_step(steps, &line, &room)) != NULL) {
        const char *one = json_string_value(json_object_get(step, "case"));
        if (found) {
            break;
        }
        found = one != NULL && strcmp(one, name) == 0;
        json_decref(step);
    }
    CHECK(step != NULL, "there is no case %s", name);
    free(line);
    fclose(steps);
    return step;
}

void check_text(json_t *step, const char *member, const char **text, size_t *length) {
    json_t *value = json_object_get(step, member);
    *text = json_string_value(value);
    *length = json_string_length(value);
}
