/*
 * TEST EQUIPMENT, part of a stand-in for NVIDIA's management library: see answers.h.
 */

#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- load, power, heat ---- */

typedef struct { u32 gpu, memory; } Utilization;

int nvmlDeviceGetUtilizationRates(Gpu *gpu, Utilization *out)
{
    int code = answer_for(gpu, "nvmlDeviceGetUtilizationRates");

    if (code)
        return code;
    out->gpu = number(gpu, "utilization.gpu", 0);
    out->memory = number(gpu, "utilization.memory", 0);
    return SUCCESS;
}

FIGURE(nvmlDeviceGetPowerUsage, u32, "power", 25000) /* milliwatts */
FIGURE(nvmlDeviceGetEnforcedPowerLimit, u32, "power_limit", 450000)
FIGURE(nvmlDeviceGetPowerManagementLimit, u32, "power_limit", 450000)
FIGURE(nvmlDeviceGetPowerManagementDefaultLimit, u32, "power_limit", 450000)
FIGURE(nvmlDeviceGetPerformanceState, u32, "performance_state", 0)
FIGURE(nvmlDeviceGetPersistenceMode, u32, "persistence", 0)
FIGURE(nvmlDeviceGetFanSpeed, u32, "fan", 30)
FIGURE(nvmlDeviceGetCurrentClocksEventReasons, u64, "clock_reasons", 0)
FIGURE(nvmlDeviceGetCurrentClocksThrottleReasons, u64, "clock_reasons", 0)
FIGURE(nvmlDeviceGetSupportedClocksEventReasons, u64, "clock_reasons_supported", 0x1ff)
FIGURE(nvmlDeviceGetSupportedClocksThrottleReasons, u64, "clock_reasons_supported", 0x1ff)
FIGURE(nvmlDeviceGetCurrPcieLinkGeneration, u32, "pcie.generation", 4)
FIGURE(nvmlDeviceGetCurrPcieLinkWidth, u32, "pcie.width", 16)
FIGURE(nvmlDeviceGetMaxPcieLinkGeneration, u32, "pcie.generation", 4)
FIGURE(nvmlDeviceGetMaxPcieLinkWidth, u32, "pcie.width", 16)

/* Millijoules. With energy_since (seconds of the monotonic clock) the counter runs on with the power. */
int nvmlDeviceGetTotalEnergyConsumption(Gpu *gpu, u64 *out)
{
    char value[LINE];
    int code = answer_for(gpu, "nvmlDeviceGetTotalEnergyConsumption");

    if (code)
        return code;
    *out = number(gpu, "energy", 0);
    if (look_up_gpu(gpu, "energy_since", value, sizeof value))
        *out += (u64)((monotonic() - strtod(value, NULL)) * number(gpu, "power", 25000));
    return SUCCESS;
}

int nvmlDeviceGetTemperature(Gpu *gpu, u32 sensor, u32 *out)
{
    int code = answer_for(gpu, "nvmlDeviceGetTemperature");

    if (code == SUCCESS && sensor != 0)
        code = INVALID_ARGUMENT;
    if (code == SUCCESS)
        *out = number(gpu, "temperature", 40);
    return code;
}

typedef struct { u32 version, sensor; int temperature; } Temperature;

int nvmlDeviceGetTemperatureV(Gpu *gpu, Temperature *out)
{
    u32 temperature = 0;
    int code = nvmlDeviceGetTemperature(gpu, out->sensor, &temperature);

    out->temperature = temperature;
    return code;
}

static int clock_of(Gpu *gpu, const char *call, const char *prefix, u32 domain, u32 *out)
{
    static const char *const domains[] = {"graphics", "sm", "memory", "video"};
    char key[KEY];
    int code = answer_for(gpu, call);

    if (code == SUCCESS && domain > 3)
        code = INVALID_ARGUMENT;
    if (code == SUCCESS) {
        snprintf(key, sizeof key, "%s.%s", prefix, domains[domain]);
        *out = number(gpu, key, 1500);
    }
    return code;
}

int nvmlDeviceGetClockInfo(Gpu *gpu, u32 domain, u32 *out)
{
    return clock_of(gpu, "nvmlDeviceGetClockInfo", "clock", domain, out);
}

int nvmlDeviceGetMaxClockInfo(Gpu *gpu, u32 domain, u32 *out)
{
    return clock_of(gpu, "nvmlDeviceGetMaxClockInfo", "max_clock", domain, out);
}

typedef struct { u64 reference, violation; } Violation;

int nvmlDeviceGetViolationStatus(Gpu *gpu, u32 policy, Violation *out)
{
    char key[KEY];
    int code = answer_for(gpu, "nvmlDeviceGetViolationStatus");

    if (code)
        return code;
    snprintf(key, sizeof key, "violation.%u", policy);
    out->reference = microseconds();
    out->violation = number(gpu, key, 0);
    return SUCCESS;
}

int nvmlDeviceGetPcieThroughput(Gpu *gpu, u32 counter, u32 *out)
{
    int code = answer_for(gpu, "nvmlDeviceGetPcieThroughput");

    if (code == SUCCESS)
        *out = number(gpu, counter == 0 ? "pcie.tx" : "pcie.rx", 0);
    return code;
}

typedef struct { u32 id, scope; long long timestamp, latency; u32 type, code; u64 value; } Field;

/* Fields are unsigned long long; one without a key is not supported. */
int nvmlDeviceGetFieldValues(Gpu *gpu, int fields, Field *out)
{
    char key[KEY], value[LINE];
    int code = answer_for(gpu, "nvmlDeviceGetFieldValues");

    for (Field *field = out; code == SUCCESS && field < out + fields; field++) {
        snprintf(key, sizeof key, "field.%u", field->id);
        field->timestamp = microseconds();
        field->type = 3;
        field->code = look_up_gpu(gpu, key, value, sizeof value) ? SUCCESS : NOT_SUPPORTED;
        field->value = field->code ? 0 : strtoull(value, NULL, 0);
    }
    return code;
}

/* ---- GPM, the finer counters of newer GPUs ---- */

typedef struct { u32 version, supported; } GpmSupport;

int nvmlGpmQueryDeviceSupport(Gpu *gpu, GpmSupport *out)
{
    int code = answer_for(gpu, "nvmlGpmQueryDeviceSupport");

    if (code == SUCCESS)
        out->supported = number(gpu, "gpm", 0);
    return code;
}

int nvmlGpmSampleAlloc(Gpu **out)
{
    *out = calloc(1, sizeof **out);
    return answer("nvmlGpmSampleAlloc");
}

int nvmlGpmSampleFree(Gpu *sample)
{
    free(sample);
    return answer("nvmlGpmSampleFree");
}

int nvmlGpmSampleGet(Gpu *gpu, Gpu *sample)
{
    int code = answer_for(gpu, "nvmlGpmSampleGet");

    if (code == SUCCESS)
        *sample = *gpu;
    return code;
}

typedef struct { u32 id, code; double value; const char *short_name, *long_name, *unit; } Metric;

typedef struct { u32 version, metrics; Gpu *first, *second; Metric metric[]; } GpmRequest;

int nvmlGpmMetricsGet(GpmRequest *out)
{
    char key[KEY], value[LINE];
    int code = answer("nvmlGpmMetricsGet");

    for (u32 index = 0; code == SUCCESS && index < out->metrics; index++) {
        Metric *metric = &out->metric[index];

        snprintf(key, sizeof key, "gpm.%u", metric->id);
        metric->code = look_up_gpu(out->second, key, value, sizeof value) ? SUCCESS : NOT_SUPPORTED;
        metric->value = metric->code ? 0 : strtod(value, NULL);
    }
    return code;
}
