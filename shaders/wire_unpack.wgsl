// Unpacks the words in which floats came from another device, each lane a number.
//
// Bindings: words, numbers, and sizes: how many numbers, and the bits of a power of two by which every number
// is multiplied afterwards. The twin is `crates/trainyard-engine/src/wire/format.rs`.
@group(0) @binding(0) var<storage, read_write> words: array<u32>;
@group(0) @binding(1) var<storage, read_write> numbers: array<f32>;
@group(0) @binding(2) var<storage, read> sizes: array<u32>;

fn each(at: u32) {
    if at >= sizes[0] {
        return;
    }
    let back = bitcast<f32>(sizes[1]);
#if Q8
    let first = 9u * (at / 32u);
    let inside = at % 32u;
    let word = bitcast<i32>(words[first + 1u + inside / 4u]);
    let multiple = extractBits(word, 8u * (inside % 4u), 8u);
    numbers[at] = f32(multiple) * bitcast<f32>(words[first]) * back;
#else
    let half = (words[at / 2u] >> (16u * (at % 2u))) & 0xffffu;
#if BF16
    numbers[at] = bitcast<f32>(half << 16u) * back;
#else
    numbers[at] = float_of_half(half) * back;
#end
#end
}
