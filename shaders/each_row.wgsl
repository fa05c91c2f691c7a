// Some lanes for each row, over as many workgroups as that takes. It stands before kernels that go by rows, of
// which {{LANES}} lanes share one and a workgroup has {{ROWS}}: `each_row` is given the row, which may be beyond the
// last, the lane's number in it, and the lane's place in the workgroup. VALUE is what a lane finds, a number or a
// vector of numbers.
@compute @workgroup_size({{LANES * ROWS}})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let row = (group.y * groups.x + group.x) * {{ROWS}}u + local.x / {{LANES}}u;
    each_row(row, local.x % {{LANES}}u, local.x);
}

#if SHARED
var<workgroup> parts: array<{{VALUE}}, {{LANES * ROWS}}>;
#end

// The sum over the lanes of a row, or with `largest` the largest of theirs.
fn over_lanes(value: {{VALUE}}, place: u32, lane: u32, largest: bool) -> {{VALUE}} {
#if SHARED
    workgroupBarrier();
    parts[place] = value;
    for (var half = {{LANES / 2}}u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            let other = parts[place + half];
            parts[place] = select(parts[place] + other, max(parts[place], other), largest);
        }
    }
    workgroupBarrier();
    return parts[place - lane];
#else
    return value;
#end
}

