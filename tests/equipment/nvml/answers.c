/*
 * TEST EQUIPMENT, part of a stand-in for NVIDIA's management library: see answers.h.
 */

#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

Gpu gpus[MOST_GPUS];
int sessions;

/* ---- the file ---- */

int look_up(const char *key, char *value, size_t room)
{
    const char *path = getenv("LEUKOBENCH_NVML_STAND_IN");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[LINE];
    int found = 0;
    size_t length = strlen(key);

    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, length) || strncmp(line + length, " = ", 3))
            continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(value, room, "%s", line + length + 3);
        found = 1;
    }
    if (file)
        fclose(file);
    return found;
}

int look_up_gpu(const Gpu *gpu, const char *key, char *value, size_t room)
{
    char whole[KEY];

    snprintf(whole, sizeof whole, "gpu.%d.%s", gpu->index, key);
    if (look_up(whole, value, room))
        return 1;
    snprintf(whole, sizeof whole, "gpu.*.%s", key);
    return look_up(whole, value, room);
}

u64 number(const Gpu *gpu, const char *key, u64 otherwise)
{
    char value[LINE];

    return look_up_gpu(gpu, key, value, sizeof value) ? strtoull(value, NULL, 0) : otherwise;
}

double monotonic(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

u64 microseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

int count(void)
{
    char value[LINE];
    int given = look_up("count", value, sizeof value) ? atoi(value) : 0;

    return given < MOST_GPUS ? given : MOST_GPUS;
}

/* ---- what a call returns ---- */

int ordered(const char *call)
{
    char key[KEY], value[LINE];

    snprintf(key, sizeof key, "return.%s", call);
    return look_up(key, value, sizeof value) ? atoi(value) : SUCCESS;
}

int answer(const char *call) { return sessions ? ordered(call) : UNINITIALIZED; }

int answer_for(const Gpu *gpu, const char *call)
{
    char key[KEY], value[LINE];

    if (!sessions)
        return UNINITIALIZED;
    if (gpu < gpus || gpu >= gpus + count())
        return INVALID_ARGUMENT;
    snprintf(key, sizeof key, "return.%s", call);
    if (look_up_gpu(gpu, key, value, sizeof value) || look_up_gpu(gpu, "return", value, sizeof value))
        return atoi(value);
    return ordered(call);
}

int put(const char *text, char *out, u32 room)
{
    if (strlen(text) >= room)
        return INSUFFICIENT_SIZE;
    strcpy(out, text);
    return SUCCESS;
}
