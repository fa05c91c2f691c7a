// What the lanes of a row find together. It stands before kernels that go by rows, of which {{LANES}} lanes share
// one and a workgroup has {{ROWS}}; VALUE is what a lane has found, a number or a vector of numbers.
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

