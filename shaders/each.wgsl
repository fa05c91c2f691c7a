// One lane for each of many things, over as many workgroups as that takes. It stands before kernels whose lanes
// have nothing to do with each other: `each` is given a lane's number, which may be beyond the last thing's.
@compute @workgroup_size({{LANES}})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    each((group.y * groups.x + group.x) * {{LANES}}u + local.x);
}

