// The float of the sixteen bits of a half (IEEE 754). It stands before kernels that read such bits out of words, for
// devices without halves of their own.
fn float_of_half(half: u32) -> f32 {
    let sign = (half & 0x8000u) << 16u;
    let size = half & 0x7fffu;
    var bits = (size << 13u) + 0x38000000u;
    if size < 0x400u {
        // Steps of 2⁻²⁴.
        bits = bitcast<u32>(f32(size) * 5.9604644775390625e-8);
    } else if size >= 0x7c00u {
        bits = 0x7f800000u | ((size & 0x3ffu) << 13u);
    }
    return bitcast<f32>(sign | bits);
}

