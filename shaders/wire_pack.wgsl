// Packs floats into the words in which they travel to another device, each lane a word, or with Q8 a block
// of 32 numbers: a scale and eight words of four.
//
// Bindings: numbers, words, and sizes: how many numbers, how many words or blocks, and the bits of a power of
// two by which every number is multiplied before.
// What is finite stays so. The twin is `crates/trainyard-engine/src/wire/format.rs`, to the last bit but for Q8's
// divisions.
@group(0) @binding(0) var<storage, read_write> numbers: array<f32>;
@group(0) @binding(1) var<storage, read_write> words: array<u32>;
@group(0) @binding(2) var<storage, read> sizes: array<u32>;

const NOT_FINITE = 0x7f800000u;

fn bits_of(at: u32) -> u32 {
    if at >= sizes[0] {
        return 0u;
    }
    return bitcast<u32>(numbers[at] * bitcast<f32>(sizes[2]));
}

#if F16
// To the nearest, ties to even.
fn half_bits(bits: u32) -> u32 {
    let sign = (bits >> 16u) & 0x8000u;
    let size = bits & 0x7fffffffu;
    if size >= NOT_FINITE {
        return sign | select(0x7e00u, 0x7c00u, size == NOT_FINITE);
    }
    if size >= 0x477ff000u {
        return sign | 0x7bffu;
    }
    if size < 0x38800000u {
        // Halves this small have a fixed step: that of an f32 next to 0.5.
        return sign | (bitcast<u32>(bitcast<f32>(size) + 0.5) - 0x3f000000u);
    }
    return sign | ((size - 0x38000000u + 0xfffu + ((size >> 13u) & 1u)) >> 13u);
}
#end
#if BF16
fn half_bits(bits: u32) -> u32 {
    let sign = (bits >> 16u) & 0x8000u;
    let size = bits & 0x7fffffffu;
    if size > NOT_FINITE {
        return sign | 0x7fc0u;
    }
    let rounded = (size + 0x7fffu + ((size >> 16u) & 1u)) >> 16u;
    return sign | select(rounded, min(rounded, 0x7f7fu), size < NOT_FINITE);
}
#end

fn each(at: u32) {
    if at >= sizes[1] {
        return;
    }
#if Q8
    var largest = 0u;
    for (var i = 0u; i < 32u; i++) {
        largest = max(largest, bits_of(32u * at + i) & 0x7fffffffu);
    }
    let first = 9u * at;
    if largest >= NOT_FINITE {
        // All that comes out of it is noticed.
        words[first] = 0x7fc00000u;
        for (var word = 1u; word < 9u; word++) {
            words[first + word] = 0u;
        }
        return;
    }
    // With a larger step, 127 steps would not be finite.
    let step = min(bitcast<f32>(largest) / 127.0, 2.66e36);
    words[first] = bitcast<u32>(step);
    for (var word = 0u; word < 8u; word++) {
        var packed = 0u;
        if step > 0.0 {
            for (var i = 0u; i < 4u; i++) {
                let number = bitcast<f32>(bits_of(32u * at + 4u * word + i));
                let multiple = i32(clamp(floor(number / step + 0.5), -127.0, 127.0));
                packed |= (bitcast<u32>(multiple) & 0xffu) << (8u * i);
            }
        }
        words[first + 1u + word] = packed;
    }
#else
    words[at] = half_bits(bits_of(2u * at)) | (half_bits(bits_of(2u * at + 1u)) << 16u);
#end
}
