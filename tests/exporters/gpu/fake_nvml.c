/* Stands in for libnvidia-ml.so.1. What it returns is read at every call from a file that the test writes to,
 * so that faults come and go at run time. Layout and slots: fake.py, which writes slots.h from the same lists. */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "slots.h"

typedef void *dev;
typedef struct { uint32_t pid, sm; uint64_t memory; uint32_t instance, unused; } proc_t;
typedef struct {
  char uuid[64];
  uint32_t instance, compute, slices, multiprocessors;
  uint64_t memory_mb, total, used;
  double gpm[MAX_GPM];
} mig_t;
typedef struct {
  int32_t fault, hang, delay_us, gpm, mig_on, migs, processes, links, events, xid_count;
  uint32_t xids[64];
  char uuid[64], name[64], pci[32], serial[32], vbios[32], image[16], oem[16], ecc[16], power[16];
  double scalar[SCALARS], field[MAX_FIELD], gpm_value[MAX_GPM];
  int32_t scalar_rc[SCALARS], field_rc[MAX_FIELD], gpm_rc[MAX_GPM];
  proc_t process[200];
  mig_t mig[8];
} gpu_t;
typedef struct {
  uint32_t magic, count, init_rc, init_hang, generation, calls, delay_us, event_hang, attach_rc;
  char driver[32], nvml[32];
  gpu_t gpu[MAX_GPUS];
} control_t;

static control_t *ctl;
static uint32_t loaded;
static unsigned init_flags;
static uint32_t xid_taken[MAX_GPUS];

__attribute__((constructor)) static void load(void) {
  const char *path = getenv("FAKE_NVML_CTL");
  int fd = path ? open(path, O_RDWR) : -1;
  if (fd < 0) { fprintf(stderr, "fake nvml: FAKE_NVML_CTL is not set\n"); abort(); }
  ctl = mmap(NULL, sizeof *ctl, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (ctl == MAP_FAILED) abort();
  loaded = ctl->generation;
  for (int i = 0; i < MAX_GPUS; i++) xid_taken[i] = ctl->gpu[i].xid_count;
}

static void pause_us(uint32_t us) {
  struct timespec t = {us / 1000000, (us % 1000000) * 1000L};
  if (us) nanosleep(&t, NULL);
}

static int driver(void) {
  __atomic_fetch_add(&ctl->calls, 1, __ATOMIC_RELAXED);
  pause_us(ctl->delay_us);
  return loaded == ctl->generation ? 0 : 18;
}

/* Handles: 0x1000 + GPU, or 0x2000 + 16 * GPU + MIG device. */
static int is_mig(dev d) { return (uintptr_t)d >= 0x2000; }
static int index_of(dev d) { return is_mig(d) ? ((uintptr_t)d - 0x2000) / 16 : (uintptr_t)d - 0x1000; }
static mig_t *mig_of(dev d) { return &ctl->gpu[index_of(d)].mig[((uintptr_t)d - 0x2000) % 16]; }

static int enter(dev d, gpu_t **g) {
  int rc = driver(), i = index_of(d);
  if (rc) return rc;
  if (i < 0 || i >= MAX_GPUS) return 2;
  *g = &ctl->gpu[i];
  while ((*g)->hang) pause_us(2000);
  pause_us((*g)->delay_us);
  if ((uint32_t)i >= ctl->count) return 15;
  if (is_mig(d) && (!(*g)->mig_on || mig_of(d) >= (*g)->mig + (*g)->migs)) return 2;
  return (*g)->fault;
}

static int copy(char *to, unsigned size, const char *from) {
  if (!*from) return 3;
  if (strlen(from) >= size) return 7;
  strcpy(to, from);
  return 0;
}

int nvmlInitWithFlags(unsigned flags) {
  init_flags = flags;
  while (ctl->init_hang) pause_us(2000);
  return driver() ? 18 : ctl->init_rc;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *to, unsigned n) { int rc = driver(); return rc ? rc : copy(to, n, ctl->driver); }
int nvmlSystemGetNVMLVersion(char *to, unsigned n) { int rc = driver(); return rc ? rc : copy(to, n, ctl->nvml); }
int nvmlDeviceGetCount_v2(unsigned *n) { int rc = driver(); *n = ctl->count; return rc; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, dev *d) {
  gpu_t *g;
  if (i >= ctl->count) return 2;
  if (init_flags == 2 && ctl->attach_rc) return ctl->attach_rc;
  *d = (dev)(uintptr_t)(0x1000 + i);
  return enter(*d, &g);
}

#define TEXT(NAME, MEMBER)                                       \
  int NAME(dev d, char *to, unsigned n) {                        \
    gpu_t *g;                                                    \
    int rc = enter(d, &g);                                       \
    return rc == 3 || rc == 4 || !rc ? copy(to, n, g->MEMBER) : rc; \
  }
int nvmlDeviceGetUUID(dev d, char *to, unsigned n) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc && rc != 3 && rc != 4) return rc;
  return copy(to, n, is_mig(d) ? mig_of(d)->uuid : g->uuid);
}
TEXT(nvmlDeviceGetName, name)
TEXT(nvmlDeviceGetSerial, serial)
TEXT(nvmlDeviceGetVbiosVersion, vbios)
TEXT(nvmlDeviceGetInforomImageVersion, image)
int nvmlDeviceGetInforomVersion(dev d, unsigned part, char *to, unsigned n) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc;
  return copy(to, n, part == 0 ? g->oem : part == 1 ? g->ecc : g->power);
}
typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char id32[32]; } pci_t;
int nvmlDeviceGetPciInfo_v3(dev d, pci_t *p) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc && rc != 3 && rc != 4) return rc;
  memset(p, 0, sizeof *p);
  return copy(p->id32, 32, g->pci);
}

static int scalar(dev d, int slot, double *value) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc;
  if (is_mig(d)) return 3;
  *value = g->scalar[slot];
  return g->scalar_rc[slot];
}
#define U32(NAME, SLOT) \
  int NAME(dev d, unsigned *to) { double v = 0; int rc = scalar(d, SLOT, &v); if (!rc) *to = v; return rc; }
#define ENGINE(NAME, SLOT)                                   \
  int NAME(dev d, unsigned *to, unsigned *period) {          \
    double v = 0; int rc = scalar(d, SLOT, &v);              \
    if (!rc) { *to = v; *period = 167000; }                  \
    return rc;                                               \
  }
U32(nvmlDeviceGetPowerUsage, power_mw)
U32(nvmlDeviceGetEnforcedPowerLimit, enforced_mw)
U32(nvmlDeviceGetPerformanceState, pstate)
U32(nvmlDeviceGetFanSpeed, fan)
U32(nvmlDeviceGetCurrPcieLinkGeneration, pcie_gen)
U32(nvmlDeviceGetCurrPcieLinkWidth, pcie_width)
U32(nvmlDeviceGetMaxPcieLinkGeneration, pcie_gen_max)
U32(nvmlDeviceGetMaxPcieLinkWidth, pcie_width_max)
U32(nvmlDeviceGetPersistenceMode, persistence)
U32(nvmlDeviceGetBrand, brand)
U32(nvmlDeviceGetArchitecture, architecture)
ENGINE(nvmlDeviceGetEncoderUtilization, encoder)
ENGINE(nvmlDeviceGetDecoderUtilization, decoder)
ENGINE(nvmlDeviceGetJpgUtilization, jpeg)
ENGINE(nvmlDeviceGetOfaUtilization, ofa)
int nvmlDeviceGetTemperature(dev d, unsigned sensor, unsigned *to) {
  double v = 0; int rc = scalar(d, temperature, &v); (void)sensor; if (!rc) *to = v; return rc;
}
int nvmlDeviceGetClockInfo(dev d, unsigned kind, unsigned *to) {
  double v = 0; int rc = scalar(d, clock_graphics + kind, &v); if (!rc) *to = v; return rc;
}
int nvmlDeviceGetMaxClockInfo(dev d, unsigned kind, unsigned *to) {
  double v = 0; int rc = scalar(d, clock_max_graphics + kind, &v); if (!rc) *to = v; return rc;
}
int nvmlDeviceGetUtilizationRates(dev d, unsigned to[2]) {
  double a = 0, b = 0; int rc = scalar(d, utilization, &a);
  if (!rc) rc = scalar(d, memory_utilization, &b);
  if (!rc) { to[0] = a; to[1] = b; }
  return rc;
}
int nvmlDeviceGetEccMode(dev d, unsigned *now, unsigned *pending) {
  double v = 0; int rc = scalar(d, ecc_mode, &v); if (!rc) *now = *pending = v; return rc;
}
/* The memory error that was asked for, identified by its value: 100 * severity + 10 * since + location. */
int nvmlDeviceGetMemoryErrorCounter(dev d, unsigned kind, unsigned since, unsigned where, unsigned long long *to) {
  double v = 0; int rc = scalar(d, memory_errors, &v);
  if (!rc) *to = v * (100 * kind + 10 * since + where);
  return rc;
}
#ifndef OLD_DRIVER
int nvmlDeviceGetCurrentClocksEventReasons(dev d, unsigned long long *to) {
  double v = 0; int rc = scalar(d, reasons, &v); if (!rc) *to = v; return rc;
}
#endif
int nvmlDeviceGetCurrentClocksThrottleReasons(dev d, unsigned long long *to) {
  double v = 0; int rc = scalar(d, reasons, &v); if (!rc) *to = v; return rc;
}
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory_t;
int nvmlDeviceGetMemoryInfo_v2(dev d, memory_t *m) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc;
  if (m->version != 0x02000028) return 25;
  if (is_mig(d)) {
    m->total = mig_of(d)->total; m->used = mig_of(d)->used; m->reserved = 0; m->free = m->total - m->used;
    return 0;
  }
  m->total = g->scalar[memory_total]; m->reserved = g->scalar[memory_reserved];
  m->free = g->scalar[memory_free]; m->used = g->scalar[memory_used];
  return g->scalar_rc[memory_total];
}
int nvmlDeviceGetBAR1MemoryInfo(dev d, unsigned long long to[3]) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc;
  to[0] = g->scalar[bar1_total]; to[2] = g->scalar[bar1_used]; to[1] = to[0] - to[2];
  return g->scalar_rc[bar1_total];
}
int nvmlDeviceGetRowRemapperHistogram(dev d, unsigned to[5]) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc;
  for (int i = 0; i < 5; i++) to[i] = g->scalar[remap_max + i];
  return g->scalar_rc[remap_max];
}
typedef struct { unsigned version; unsigned char cluster[16]; unsigned status, clique, state, mask; } fabric_t;
int nvmlDeviceGetGpuFabricInfoV(dev d, fabric_t *f) {
  double v = 0; int rc = scalar(d, fabric, &v);
  if (f->version != 0x02000024) return 25;
  if (!rc) { f->state = v; f->status = 0; }
  return rc;
}
typedef struct { unsigned code, state; char info[128], product[128]; unsigned enabled, expiry[4]; } feature_t;
typedef struct { int supported; unsigned count; feature_t feature[3]; } features_t;
int nvmlDeviceGetGridLicensableFeatures_v4(dev d, features_t *f) {
  double v = 0; int rc = scalar(d, vgpu, &v);
  if (!rc) { f->supported = 1; f->count = 1; f->feature[0].code = 1; f->feature[0].state = v; }
  return rc;
}

typedef struct {
  unsigned field, scope; long long when, latency; unsigned type, rc;
  union { double d; unsigned u; unsigned long long ull; } value;
} field_t;
int nvmlDeviceGetFieldValues(dev d, int n, field_t *f) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc; /* and the buffer keeps what was in it, as the driver's does */
  for (int i = 0; i < n; i++) {
    unsigned id = f[i].field;
    f[i].rc = id < MAX_FIELD ? g->field_rc[id] : 2;
    if (f[i].rc) continue;
    double v = g->field[id];
    int link = id == 138 || id == 139 || (id >= 161 && id <= 163);
    if (link && f[i].scope != 0xFFFFFFFF && g->links) {
      if (f[i].scope >= (unsigned)g->links) { f[i].rc = 2; continue; }
      v /= g->links;
    }
    /* Memory temperature comes with a wrong type, as in r545. */
    f[i].type = id == 82 ? 2 : 3;
    f[i].value.ull = id == 82 ? 0xDEAD000000000000ull + (unsigned)v : (unsigned long long)v;
  }
  return 0;
}

int nvmlDeviceGetNvLinkState(dev d, unsigned link, unsigned *active) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc;
  if (link >= (unsigned)g->links) return g->links ? 2 : 3;
  *active = 1;
  return 0;
}
int nvmlDeviceGetP2PStatus(dev a, dev b, unsigned what, unsigned *status) {
  gpu_t *g;
  int rc = enter(a, &g);
  (void)what;
  if (!rc) rc = enter(b, &g);
  *status = g->links ? 0 : 5;
  return rc;
}

typedef struct { unsigned pid; unsigned long long memory; unsigned gi, ci; } info_t;
int nvmlDeviceGetComputeRunningProcesses_v3(dev d, unsigned *n, info_t *to) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc;
  unsigned room = *n;
  *n = g->processes;
  if (room < *n) return 7;
  for (unsigned i = 0; i < *n; i++)
    to[i] = (info_t){g->process[i].pid, g->process[i].memory, g->process[i].instance, 0xFFFFFFFF};
  return 0;
}
int nvmlDeviceGetMPSComputeRunningProcesses_v3(dev d, unsigned *n, info_t *to) {
  gpu_t *g;
  (void)to;
  *n = 0;
  return enter(d, &g);
}
typedef struct { unsigned pid; unsigned long long when; unsigned sm, mem, enc, dec; } share_t;
int nvmlDeviceGetProcessUtilization(dev d, share_t *to, unsigned *n, unsigned long long since) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc;
  if (g->mig_on) return 3;
  if (!g->processes) return 6;
  unsigned room = *n;
  *n = g->processes;
  if (room < *n) return 7;
  for (unsigned i = 0; i < *n; i++) to[i] = (share_t){g->process[i].pid, since + 1, g->process[i].sm, 0, 0, 0};
  return 0;
}

int nvmlDeviceGetMigMode(dev d, unsigned *now, unsigned *pending) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc;
  if (!g->gpm) return 3;
  *now = *pending = g->mig_on;
  return 0;
}
int nvmlDeviceGetMaxMigDeviceCount(dev d, unsigned *n) { gpu_t *g; int rc = enter(d, &g); *n = 7; return rc; }
int nvmlDeviceGetMigDeviceHandleByIndex(dev d, unsigned i, dev *to) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc;
  if (!g->mig_on || i >= (unsigned)g->migs) return 6;
  *to = (dev)(uintptr_t)(0x2000 + 16 * index_of(d) + i);
  return 0;
}
int nvmlDeviceGetGpuInstanceId(dev d, unsigned *n) { gpu_t *g; int rc = enter(d, &g); if (!rc) *n = mig_of(d)->instance; return rc; }
int nvmlDeviceGetComputeInstanceId(dev d, unsigned *n) { gpu_t *g; int rc = enter(d, &g); if (!rc) *n = mig_of(d)->compute; return rc; }
typedef struct { unsigned sms, a, b, c, e, f, slices, compute; unsigned long long mb; } attributes_t;
int nvmlDeviceGetAttributes_v2(dev d, attributes_t *to) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc;
  memset(to, 0, sizeof *to);
  to->sms = mig_of(d)->multiprocessors; to->slices = mig_of(d)->slices; to->mb = mig_of(d)->memory_mb;
  return 0;
}

#ifndef OLD_DRIVER
typedef struct { int gpu, mig; } sample_t;
typedef struct { unsigned id, rc; double value; char *names[3]; } metric_t;
typedef struct { unsigned version, n; sample_t *a, *b; metric_t metric[MAX_GPM]; } get_t;
int nvmlGpmQueryDeviceSupport(dev d, unsigned to[2]) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc;
  to[1] = g->gpm;
  return 0;
}
int nvmlGpmSampleAlloc(sample_t **to) { *to = calloc(1, sizeof **to); return driver(); }
int nvmlGpmSampleFree(sample_t *s) { free(s); return 0; }
int nvmlGpmSampleGet(dev d, sample_t *s) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc;
  if (!g->gpm) return 3;
  *s = (sample_t){index_of(d) + 1, -1};
  return 0;
}
int nvmlGpmMigSampleGet(dev d, unsigned instance, sample_t *s) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc;
  for (int i = 0; i < g->migs; i++)
    if (g->mig_on && g->mig[i].instance == instance) { *s = (sample_t){index_of(d) + 1, i}; return 0; }
  return 6;
}
int nvmlGpmMetricsGet(get_t *get) {
  int rc = driver();
  if (rc) return rc;
  if (get->version != 1 || !get->a->gpu || get->a->gpu != get->b->gpu || get->a->mig != get->b->mig) return 2;
  gpu_t *g = &ctl->gpu[get->a->gpu - 1];
  for (unsigned i = 0; i < get->n; i++) {
    metric_t *m = &get->metric[i];
    m->rc = m->id < MAX_GPM ? g->gpm_rc[m->id] : 2;
    m->value = m->rc ? 0 : get->a->mig < 0 ? g->gpm_value[m->id] : g->mig[get->a->mig].gpm[m->id];
  }
  return 0;
}
#endif

typedef struct { uint32_t mask; } set_t;
typedef struct { dev device; unsigned long long type, data; unsigned gi, ci; } event_t;
int nvmlEventSetCreate(set_t **to) { *to = calloc(1, sizeof **to); return driver(); }
int nvmlEventSetFree(set_t *s) { free(s); return 0; }
int nvmlDeviceRegisterEvents(dev d, unsigned long long what, set_t *s) {
  gpu_t *g;
  int rc = enter(d, &g);
  if (rc) return rc;
  if (!g->events || !(what & 8)) return 3;
  s->mask |= 1u << index_of(d);
  return 0;
}
int nvmlEventSetWait_v2(set_t *s, event_t *e, unsigned ms) {
  for (unsigned waited = 0; waited <= ms; waited += 100) {
    while (ctl->event_hang) pause_us(2000);
    if (loaded != ctl->generation) return 18;
    for (int i = 0; i < MAX_GPUS; i++) {
      gpu_t *g = &ctl->gpu[i];
      if (!(s->mask >> i & 1) || xid_taken[i] >= (uint32_t)g->xid_count) continue;
      *e = (event_t){(dev)(uintptr_t)(0x1000 + i), 8, g->xids[xid_taken[i]++ % 64], 0xFFFFFFFF, 0xFFFFFFFF};
      return 0;
    }
    pause_us(100000);
  }
  return 10;
}
