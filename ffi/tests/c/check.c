/* See check.h. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

int64_t check_now;

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

idjag_exchange_t *check_engine(const char *path, int64_t now) {
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_callbacks_t callbacks = IDJAG_CALLBACKS_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_exchange_t *exchange = NULL;
    check_now = now;
    config.file = path;
    config.file_length = strlen(path);
    callbacks.context = &check_now;
    callbacks.clock = check_clock;
    CHECK(idjag_exchange_new(&config, &callbacks, &exchange, &error) == IDJAG_OK, "%s", error.message);
    return exchange;
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
