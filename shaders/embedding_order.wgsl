// The rows that look up a table in the order of what they look up, those of one index in their own order, in
// slices of {{SLICE}} rows: a row's place is how many of its slice look up less, and how many before it the same.
//
// Bindings: indices; for every place the row and its index; and the number of rows.
@group(0) @binding(0) var<storage, read_write> indices: array<i32>;
@group(0) @binding(1) var<storage, read_write> ordered: array<vec2<i32>>;
@group(0) @binding(2) var<storage, read> sizes: array<u32>;

fn each(row: u32) {
    let rows = sizes[0];
    if row >= rows {
        return;
    }
    let first = row - row % {{SLICE}}u;
    let last = min(first + {{SLICE}}u, rows);
    let index = indices[row];
    var place = first;
    for (var other = first; other < last; other++) {
        let of_other = indices[other];
        place += select(0u, 1u, of_other < index || (of_other == index && other < row));
    }
    ordered[place] = vec2(i32(row), index);
}
