/* A Vulkan driver that fails as told: it hands everything to the one that REAL_DRIVER names.
 *
 * DRIVER_FAULT
 *   crashes   at once, where adapters are listed
 *   vanishes  it is listed, and not there when it is opened
 *   full      memory is given out until it is 256 MiB
 *   FILE      the device is lost as soon as this file is there
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void (*function)(void);
typedef function (*lookup)(void *, const char *);
typedef int32_t (*submit)(void *, uint32_t, const void *, void *);
/* The beginning of VkMemoryAllocateInfo. */
struct request { uint32_t kind; const void *next; uint64_t bytes; };
typedef int32_t (*allocate)(void *, const struct request *, const void *, void *);

enum { OUT_OF_DEVICE_MEMORY = -2, DEVICE_LOST = -4, INCOMPATIBLE_DRIVER = -9 };

static lookup real_lookup, real_device_lookup;
static submit real_submit;
static allocate real_allocate;

static void *real(const char *name) {
    static void *library;
    if (!library) library = dlopen(getenv("REAL_DRIVER"), RTLD_NOW | RTLD_LOCAL);
    return library ? dlsym(library, name) : NULL;
}

static const char *fault(void) {
    const char *told = getenv("DRIVER_FAULT");
    return told ? told : "";
}

int32_t vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
    if (!strcmp(fault(), "crashes")) abort();
    /* Devices are listed by a child, which is asked in this variable. */
    if (!strcmp(fault(), "vanishes") && !getenv("TRAINYARD_PROBE")) return INCOMPATIBLE_DRIVER;
    int32_t (*negotiate)(uint32_t *) = real("vk_icdNegotiateLoaderICDInterfaceVersion");
    return negotiate ? negotiate(version) : INCOMPATIBLE_DRIVER;
}

static int32_t queue_submit(void *queue, uint32_t count, const void *submits, void *fence) {
    if (fault()[0] == '/' && !access(fault(), F_OK)) return DEVICE_LOST;
    return real_submit(queue, count, submits, fence);
}

static int32_t allocate_memory(void *device, const struct request *request, const void *by, void *memory) {
    static uint64_t given;
    if (!strcmp(fault(), "full") && given + request->bytes > 256 << 20) return OUT_OF_DEVICE_MEMORY;
    given += request->bytes;
    return real_allocate(device, request, by, memory);
}

static function device_lookup(void *device, const char *name) {
    function found = real_device_lookup(device, name);
    if (!strcmp(name, "vkAllocateMemory")) {
        real_allocate = (allocate)found;
        return (function)allocate_memory;
    }
    if (strcmp(name, "vkQueueSubmit")) return found;
    real_submit = (submit)found;
    return (function)queue_submit;
}

function vk_icdGetInstanceProcAddr(void *instance, const char *name) {
    if (!real_lookup) real_lookup = real("vk_icdGetInstanceProcAddr");
    function found = real_lookup ? real_lookup(instance, name) : NULL;
    if (strcmp(name, "vkGetDeviceProcAddr") || !found) return found;
    real_device_lookup = (lookup)found;
    return (function)device_lookup;
}

function vk_icdGetPhysicalDeviceProcAddr(void *instance, const char *name) {
    lookup physical = real("vk_icdGetPhysicalDeviceProcAddr");
    return physical ? physical(instance, name) : NULL;
}
