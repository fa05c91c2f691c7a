// Adds the gradients of a slice of looked-up rows to the table's gradient, without atomics: the lanes of an index's
// first place add its rows in their order. For devices of many lanes.
//
// Bindings: for every place the row and its index, ordered by index; the gradients of the rows; the gradient of the
// table; and sizes: the first place of the slice, the one behind its last, the table's rows, and the numbers of a
// row, or fours of them where ELEMENT is one. An index that is not in the table is left out.
alias Element = {{ELEMENT}};
@group(0) @binding(0) var<storage, read_write> ordered: array<vec2<i32>>;
@group(0) @binding(1) var<storage, read_write> gradient: array<Element>;
@group(0) @binding(2) var<storage, read_write> table: array<Element>;
@group(0) @binding(3) var<storage, read> sizes: array<u32>;

fn each(at: u32) {
    let first = sizes[0];
    let last = sizes[1];
    let width = sizes[3];
    let column = at % width;
    var place = first + at / width;
    if place >= last {
        return;
    }
    let index = ordered[place].y;
    if index < 0 || u32(index) >= sizes[2] {
        return;
    }
    if place > first {
        if ordered[place - 1u].y == index {
            return;
        }
    }
    let to = u32(index) * width + column;
    var sum = table[to];
    while place < last {
        let row = ordered[place];
        if row.y != index {
            break;
        }
        sum += gradient[u32(row.x) * width + column];
        place++;
    }
    table[to] = sum;
}
