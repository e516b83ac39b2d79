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
