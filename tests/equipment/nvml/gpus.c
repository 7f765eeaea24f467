/*
 * TEST EQUIPMENT, part of a stand-in for NVIDIA's management library: see answers.h.
 */

#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const u64 GIGABYTE = 1024ull * 1024 * 1024;
static const u64 NOT_AVAILABLE = ~0ull;

/* ---- the library and the machine ---- */

static int start(void)
{
    int code = ordered("nvmlInit");

    for (int index = 0; index < MOST_GPUS; index++)
        gpus[index].index = index;
    sessions += code == SUCCESS;
    return code;
}

int nvmlInit(void) { return start(); }
int nvmlInit_v2(void) { return start(); }
int nvmlInitWithFlags(u32 flags) { (void)flags; return start(); }

int nvmlShutdown(void)
{
    int code = answer("nvmlShutdown");

    sessions -= code == SUCCESS;
    return code;
}

const char *nvmlErrorString(int code)
{
    static char text[40];

    snprintf(text, sizeof text, "stand-in error %d", code);
    return text;
}

int nvmlSystemGetDriverVersion(char *out, u32 room)
{
    char value[LINE] = "550.54.14";
    int code = answer("nvmlSystemGetDriverVersion");

    look_up("driver", value, sizeof value);
    return code ? code : put(value, out, room);
}

static int cuda(const char *call, int *out)
{
    char value[LINE];

    *out = look_up("cuda", value, sizeof value) ? atoi(value) : 12040;
    return answer(call);
}

int nvmlSystemGetCudaDriverVersion(int *out) { return cuda("nvmlSystemGetCudaDriverVersion", out); }
int nvmlSystemGetCudaDriverVersion_v2(int *out) { return cuda("nvmlSystemGetCudaDriverVersion", out); }

int nvmlSystemGetNVMLVersion(char *out, u32 room)
{
    int code = answer("nvmlSystemGetNVMLVersion");

    return code ? code : put("12.550.54.14", out, room);
}

/* ---- which GPUs ---- */

int nvmlDeviceGetCount_v2(u32 *out)
{
    *out = count();
    return answer("nvmlDeviceGetCount");
}

int nvmlDeviceGetHandleByIndex_v2(u32 index, Gpu **out)
{
    if (!sessions)
        return UNINITIALIZED;
    if (index >= (u32)count())
        return INVALID_ARGUMENT;
    *out = &gpus[index];
    return answer_for(*out, "nvmlDeviceGetHandleByIndex");
}

static void uuid_of(const Gpu *gpu, char *out, size_t room)
{
    if (!look_up_gpu(gpu, "uuid", out, room))
        snprintf(out, room, "GPU-%08x-57a4-4d1e-8000-%012x", gpu->index, gpu->index);
}

int nvmlDeviceGetHandleByUUID(const char *uuid, Gpu **out)
{
    char own[LINE];

    for (int index = 0; sessions && index < count(); index++) {
        uuid_of(&gpus[index], own, sizeof own);
        if (!strcmp(own, uuid)) {
            *out = &gpus[index];
            return answer_for(*out, "nvmlDeviceGetHandleByUUID");
        }
    }
    return sessions ? NOT_FOUND : UNINITIALIZED;
}

int nvmlDeviceGetUUID(Gpu *gpu, char *out, u32 room)
{
    char value[LINE];
    int code = answer_for(gpu, "nvmlDeviceGetUUID");

    if (code)
        return code;
    uuid_of(gpu, value, sizeof value);
    return put(value, out, room);
}

int nvmlDeviceGetName(Gpu *gpu, char *out, u32 room)
{
    char value[LINE] = "NVIDIA Stand-In";
    int code = answer_for(gpu, "nvmlDeviceGetName");

    if (code)
        return code;
    look_up_gpu(gpu, "name", value, sizeof value);
    return put(value, out, room);
}

FIGURE(nvmlDeviceGetIndex, u32, "index", gpu->index)
FIGURE(nvmlDeviceGetMinorNumber, u32, "minor", gpu->index)

typedef struct { char legacy[16]; u32 domain, bus, device, id, subsystem; char bus_id[32]; } Pci;

int nvmlDeviceGetPciInfo_v3(Gpu *gpu, Pci *out)
{
    int code = answer_for(gpu, "nvmlDeviceGetPciInfo");

    if (code)
        return code;
    memset(out, 0, sizeof *out);
    out->bus = gpu->index + 1;
    snprintf(out->legacy, sizeof out->legacy, "0000:%02X:00.0", out->bus);
    snprintf(out->bus_id, sizeof out->bus_id, "00000000:%02X:00.0", out->bus);
    return SUCCESS;
}

int nvmlDeviceGetCudaComputeCapability(Gpu *gpu, int *major, int *minor)
{
    char value[LINE] = "8.9";
    int code = answer_for(gpu, "nvmlDeviceGetCudaComputeCapability");

    if (code)
        return code;
    look_up_gpu(gpu, "compute_capability", value, sizeof value);
    sscanf(value, "%d.%d", major, minor);
    return SUCCESS;
}

/* Most GPUs cannot be partitioned. */
int nvmlDeviceGetMigMode(Gpu *gpu, u32 *current, u32 *pending)
{
    char value[LINE];
    int code = answer_for(gpu, "nvmlDeviceGetMigMode");

    if (code == SUCCESS && !look_up_gpu(gpu, "mig", value, sizeof value))
        code = NOT_SUPPORTED;
    if (code == SUCCESS)
        *current = *pending = atoi(value);
    return code;
}

/* ---- memory ---- */

typedef struct { u64 total, free, used; } Memory;

int nvmlDeviceGetMemoryInfo(Gpu *gpu, Memory *out)
{
    int code = answer_for(gpu, "nvmlDeviceGetMemoryInfo");

    if (code)
        return code;
    out->total = number(gpu, "memory.total", 24 * GIGABYTE);
    out->used = number(gpu, "memory.used", GIGABYTE / 2);
    out->free = out->total - out->used;
    return SUCCESS;
}

typedef struct { u32 version; u64 total, reserved, free, used; } MemoryV2;

int nvmlDeviceGetMemoryInfo_v2(Gpu *gpu, MemoryV2 *out)
{
    int code = answer_for(gpu, "nvmlDeviceGetMemoryInfo");

    if (code)
        return code;
    out->total = number(gpu, "memory.total", 24 * GIGABYTE);
    out->reserved = number(gpu, "memory.reserved", 0);
    out->used = number(gpu, "memory.used", GIGABYTE / 2);
    out->free = out->total - out->reserved - out->used;
    return SUCCESS;
}

/* ---- processes ---- */

enum { MOST_PROCESSES = 64 };

typedef struct { u32 pid; u64 memory; u32 gpu_instance, compute_instance; } Process;

/* "PID:BYTES PID:BYTES"; without :BYTES the memory is not available. */
static int running(Gpu *gpu, const char *call, const char *key, u32 *room, Process *out)
{
    char value[LINE] = "", *rest = value, *word;
    Process found[MOST_PROCESSES];
    u32 number_found = 0;
    int code = answer_for(gpu, call);

    if (code)
        return code;
    look_up_gpu(gpu, key, value, sizeof value);
    while ((word = strsep(&rest, " ")) && number_found < MOST_PROCESSES) {
        char *bytes = strchr(word, ':');

        if (*word)
            found[number_found++] = (Process){
                strtoul(word, NULL, 10), bytes ? strtoull(bytes + 1, NULL, 10) : NOT_AVAILABLE, ~0u, ~0u};
    }
    code = number_found > *room ? INSUFFICIENT_SIZE : SUCCESS;
    if (code == SUCCESS && number_found)
        memcpy(out, found, number_found * sizeof *found);
    *room = number_found;
    return code;
}

int nvmlDeviceGetComputeRunningProcesses_v3(Gpu *gpu, u32 *room, Process *out)
{
    return running(gpu, "nvmlDeviceGetComputeRunningProcesses", "compute", room, out);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(Gpu *gpu, u32 *room, Process *out)
{
    return running(gpu, "nvmlDeviceGetGraphicsRunningProcesses", "graphics", room, out);
}

typedef struct { u32 pid; u64 timestamp; u32 sm, memory, encoder, decoder; } Share;

/* "PID:SM:MEMORY" in percent; samples are as old as the question. */
int nvmlDeviceGetProcessUtilization(Gpu *gpu, Share *out, u32 *room, u64 since)
{
    char value[LINE] = "", *rest = value, *word;
    Share found[MOST_PROCESSES];
    u32 number_found = 0;
    u64 now = microseconds();
    int code = answer_for(gpu, "nvmlDeviceGetProcessUtilization");

    if (code)
        return code;
    look_up_gpu(gpu, "shares", value, sizeof value);
    while (since < now && (word = strsep(&rest, " ")) && number_found < MOST_PROCESSES) {
        Share share = {0};

        if (sscanf(word, "%u:%u:%u", &share.pid, &share.sm, &share.memory) == 3) {
            share.timestamp = now;
            found[number_found++] = share;
        }
    }
    if (!number_found)
        return NOT_FOUND;
    code = !out || number_found > *room ? INSUFFICIENT_SIZE : SUCCESS;
    if (code == SUCCESS)
        memcpy(out, found, number_found * sizeof *found);
    *room = number_found;
    return code;
}
