/*
 * TEST EQUIPMENT: a stand-in for NVIDIA's management library (libnvidia-ml.so.1).
 *
 * It answers the calls that `pynvml` makes, for GPUs that do not exist, so that discovery, leases,
 * placement and telemetry are tested through the real binding on machines without a GPU. No part of the
 * product knows it.
 *
 * What it answers stands in the text file that the environment variable LEUKOBENCH_NVML_STAND_IN names, a
 * line "key = value" each. The file is read again at every question, so that a test can change it while
 * a program runs. Keys:
 *
 *   count, driver, cuda                the machine
 *   gpu.0.name, gpu.0.power, ...       GPU 0; "gpu.*.power" holds for those without a line of their own
 *   return.CALL                        the code that CALL returns, on every GPU; calls without version suffix
 *   gpu.0.return, gpu.0.return.CALL    the code of every call, of one call, on GPU 0 (15: the GPU is lost)
 *
 * Layouts of structures and codes are those which `pynvml` declares.
 */

#ifndef ANSWERS_H
#define ANSWERS_H

#include <stddef.h>

typedef unsigned int u32;
typedef unsigned long long u64;
typedef struct { int index; } Gpu;

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
};
enum { MOST_GPUS = 16, LINE = 4096, KEY = 160 };

extern Gpu gpus[MOST_GPUS];
extern int sessions; /* how often the library was initialised and not yet shut down */

/* What the file says of a key, for the machine and for a GPU; 0 where it says nothing and `value` stays. */
int look_up(const char *key, char *value, size_t room);
int look_up_gpu(const Gpu *gpu, const char *key, char *value, size_t room);
u64 number(const Gpu *gpu, const char *key, u64 otherwise);
int count(void);

/* The code that a call returns: for a part of the library that concerns no GPU, for the machine, for a GPU. */
int ordered(const char *call);
int answer(const char *call);
int answer_for(const Gpu *gpu, const char *call);

/* Copy a text as the library does. */
int put(const char *text, char *out, u32 room);

double monotonic(void);    /* seconds */
u64 microseconds(void);    /* since 1970 */

/* A call that asks for one number of a GPU. */
#define FIGURE(call, type, key, otherwise)                     \
    int call(Gpu *gpu, type *out)                              \
    {                                                          \
        int code = answer_for(gpu, #call);                     \
        if (code == SUCCESS)                                   \
            *out = (type)number(gpu, key, otherwise);          \
        return code;                                           \
    }

#endif
