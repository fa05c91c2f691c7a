//! Opens a device that was found, as a Burn device.
//!
//! Every call makes an instance, a logical device and a queue of its own, so several devices on
//! one adapter live side by side, each with its own memory and its own threads. Burn keeps an
//! opened device until the program ends. Open all devices first, one after another.

use burn::tensor::Device;
use burn::tensor::wgpu::WgpuSetup;
use trainyard_plan::{Api, DeviceInfo, DeviceKind};

use crate::EngineError;
use crate::discover::adapters::{self, FoundAdapter};
use crate::discover::select::split_ordinal;
use crate::discover::{caught, dedup};
use crate::gpu::{self, Gpu};

/// The CPU, through Burn's `flex` backend. It computes on the calling thread, so every thread that
/// uses one is a device of its own.
#[must_use]
pub fn open_cpu() -> Device {
    Device::flex()
}

/// Opens a device of the list, without autodiff.
///
/// # Errors
///
/// [`EngineError::CannotOpen`] if the adapter is gone, its driver refuses, or this build cannot
/// use it.
pub fn open(info: &DeviceInfo) -> Result<Device, EngineError> {
    open_with_gpu(info).map(|(device, _)| device)
}

/// The same with wgpu's side of it, where it has one.
pub(crate) fn open_with_gpu(info: &DeviceInfo) -> Result<(Device, Option<Gpu>), EngineError> {
    let Some(backend) = adapters::backend(info.api) else { return Ok((open_cpu(), None)) };
    caught(|| {
        let _loader = adapters::loader();
        let (instance, adapters) = adapters::instance(backend);
        let there: Vec<_> = adapters
            .iter()
            .enumerate()
            .map(|(position, adapter)| adapters::describe(adapter, info.api, position))
            .collect();
        let adapter = find(info, &there).and_then(|at| adapters.into_iter().nth(at)).ok_or_else(|| {
            let names: Vec<_> = there.iter().map(|it| it.info.name.as_str()).collect();
            format!(
                "{} does not list it now (it lists: {}); `trainyard devices` shows what there is",
                info.api.text(),
                if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
            )
        })?;
        register(instance, adapter, info.kind).map(|(device, gpu)| (device, Some(gpu)))
    })
    .map_err(|reason| EngineError::CannotOpen { device: info.adapter.clone(), reason })
}

/// Opens the adapter at a position of its API's own list.
pub(crate) fn open_position(api: Api, position: usize) -> Result<Device, String> {
    let Some(backend) = adapters::backend(api) else { return Ok(open_cpu()) };
    let _loader = adapters::loader();
    let (instance, adapters) = adapters::instance(backend);
    let Some(adapter) = adapters.into_iter().nth(position) else {
        return Err(format!("{} has no adapter {position} any more", api.text()));
    };
    let kind = adapters::describe(&adapter, api, position).info.kind;
    register(instance, adapter, kind).map(|(device, _)| device)
}

/// Which of the adapters that are there now is the one that was listed.
fn find(info: &DeviceInfo, there: &[FoundAdapter]) -> Option<usize> {
    let ordinal = split_ordinal(&info.adapter).map_or(0, |(_, ordinal)| ordinal);
    // As the list orders them, so that the k-th of equals is the k-th here.
    let mut named: Vec<_> = there.iter().filter(|it| it.info.name == info.name).collect();
    named.sort_by_key(|it| dedup::kind_rank(it.info.kind));
    // Direct3D adapters of one model all carry the first one's address.
    let equal = |it: &FoundAdapter| {
        it.info.kind == info.kind
            && (info.api == Api::Dx12 || it.info.pci_bus_id == info.pci_bus_id)
    };
    let equals: Vec<_> = named.iter().filter(|it| equal(it)).collect();
    match equals.as_slice() {
        [one] => return Some(one.position),
        [first, ..] => {
            let chosen = named.get(ordinal).filter(|it| equal(it)).unwrap_or(first);
            return Some(chosen.position);
        }
        [] => {}
    }
    // A card that was listed under a better API has another name or kind under this one.
    let listed = FoundAdapter { position: 0, vendor_id: 0, device_id: 0, info: info.clone() };
    let mut same = there.iter().filter(|it| dedup::same_card(&listed, it));
    let first = same.next()?;
    Some(if ordinal == 0 { first } else { same.nth(ordinal - 1).unwrap_or(first) }.position)
}

/// Requests a logical device and makes a Burn device of it.
fn register(
    instance: wgpu::Instance,
    adapter: wgpu::Adapter,
    kind: DeviceKind,
) -> Result<(Device, Gpu), String> {
    let backend = adapter.get_info().backend;
    check_shaders(cfg!(feature = "native-shaders"), kind, backend)?;
    let (device, queue) =
        request(&adapter).map_err(|error| format!("its driver refuses: {error}"))?;
    gpu::read_when_asked();
    let gpu = Gpu::new(device.clone(), queue.clone(), backend);
    let opened = Device::wgpu_options()
        .setup(WgpuSetup { instance, adapter, device, queue, backend })
        .init()
        .map_err(|error| format!("Burn refuses it: {error}"))?;
    Ok((opened, gpu))
}

/// Refuses a device whose driver crashes with native shaders.
fn check_shaders(are_native: bool, kind: DeviceKind, api: wgpu::Backend) -> Result<(), String> {
    if are_native && kind == DeviceKind::Software && api == wgpu::Backend::Vulkan {
        return Err(
            "this program was built with native-shaders, which crashes llvmpipe's compiler: build \
                    it without --features native-shaders, or choose another device"
                .to_owned(),
        );
    }
    Ok(())
}

/// Requests a logical device the way Burn itself does: Burn reads what it may use from the
/// adapter, so the device must have all of that.
fn request(adapter: &wgpu::Adapter) -> Result<(wgpu::Device, wgpu::Queue), String> {
    #[cfg(feature = "native-shaders")]
    if let Some(opened) = request_native(adapter)? {
        return Ok(opened);
    }
    #[expect(unsafe_code, reason = "Burn's kernels are experimental pass-through shaders to wgpu")]
    // SAFETY: enables features that may be incomplete in wgpu; only Burn's own kernels use them.
    let experimental_features = unsafe { wgpu::ExperimentalFeatures::enabled() };
    pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        label: Some("trainyard"),
        required_features: adapter.features().difference(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS),
        required_limits: adapter.limits(),
        // Burn makes its own pools: large blocks below them would be wasted.
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        trace: wgpu::Trace::Off,
        experimental_features,
    }))
    .map_err(|error| error.to_string())
}

/// Requests a device with what SPIR-V (Vulkan) or MSL (Metal) kernels need beyond wgpu's features;
/// nothing if the adapter cannot run them. WGSL is used there.
#[cfg(feature = "native-shaders")]
fn request_native(adapter: &wgpu::Adapter) -> Result<Option<(wgpu::Device, wgpu::Queue)>, String> {
    match adapter.get_info().backend {
        wgpu::Backend::Vulkan => {
            pollster::block_on(cubecl_wgpu::vulkan::try_request_vulkan_device(adapter))
                .map_err(|error| error.to_string())
        }
        #[cfg(target_os = "macos")]
        wgpu::Backend::Metal => {
            pollster::block_on(cubecl_wgpu::metal::try_request_metal_device(adapter))
                .map(Some)
                .map_err(|error| error.to_string())
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
