//! Images, IDX files and safetensors: what their messages say is done to the files.

use std::path::PathBuf;

use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
use trainyard_tests::{Place, assert_says, run_ok, write};

use crate::{Sets, mended, plan, refused};

/// A run file with these data; the model learns from two numbers.
fn run_file(place: &Place, data: &str) -> PathBuf {
    let file = place.path("own.toml");
    write(
        &file,
        format!(
            "[model]\nkind = \"mlp\"\ninputs = 2\noutputs = 2\n[data]\n{data}\nvalidation_fraction = \
             0.5\n[train]\nsteps = 2\nbatch = 2\nmicro_batches = 2\n[[device]]\nid = \"one\"\nadapter \
             = \"cpu\"\nmemory = \"64 MiB\"\n"
        ),
    );
    file
}

/// A tensor of zeros: name, type, shape.
type Named<'a> = (&'a str, Dtype, &'a [usize]);

/// Writes tensors of zeros.
fn tensors(place: &Place, tensors: &[Named<'_>]) {
    let bytes = vec![0; 4096];
    let view = |(name, dtype, shape): &Named<'_>| {
        let length = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        let view = TensorView::new(*dtype, shape.to_vec(), &bytes[..length]);
        ((*name).to_owned(), view.unwrap_or_else(|error| panic!("{error}")))
    };
    let written = serialize_to_file(tensors.iter().map(view), None, &place.path("t.safetensors"));
    written.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn tensors_are_mended_as_told() {
    let place = Place::new();
    let file = run_file(&place, "tensors = \"t.safetensors\"");
    let good: &[Named<'_>] = &[("features", Dtype::F32, &[4, 2]), ("targets", Dtype::F32, &[4, 2])];
    let only = "data.only=[\"features\",\"targets\"]";
    let cases: &[(&[Named<'_>], &str, Sets<'_>)] = &[
        (&[good[0], good[1], ("more", Dtype::F32, &[3])], "with data.only", &[only]),
        (&[good[0], good[1], ("more", Dtype::F32, &[])], "leave it out with data.only", &[only]),
        (&[good[0], good[1], ("more", Dtype::F8_E4M3, &[4])], "convert it to F32", &[only]),
        (&[], "it has no tensors; name another file", &[]),
        (&[("features", Dtype::F8_E4M3, &[4, 2]), good[1]], "convert it to F32, F16", &[]),
    ];
    for (wrong, words, right) in cases {
        tensors(&place, wrong);
        assert_says(&refused(&file, &[]), &[words]);
        if right.is_empty() {
            tensors(&place, good);
        }
        run_ok(&mut plan(&file, right));
    }
    tensors(&place, good);
    mended(&file, &["data.only=[\"x\"]"], "it has: features, targets", &[only]);
    write(&place.path("t.safetensors"), "none");
    assert_says(&refused(&file, &[]), &["name a whole safetensors file"]);
    // Numbers that 32 bits cannot hold.
    let wide = &1_i64.rotate_right(4).to_le_bytes().repeat(4);
    let view = TensorView::new(Dtype::I64, vec![4], wide).unwrap_or_else(|e| panic!("{e}"));
    let zeros = vec![0; 32];
    let features =
        TensorView::new(Dtype::F32, vec![4, 2], &zeros).unwrap_or_else(|e| panic!("{e}"));
    let both = [("features".to_owned(), features), ("targets".to_owned(), view)];
    let written = serialize_to_file(both, None, &place.path("t.safetensors"));
    written.unwrap_or_else(|error| panic!("{error}"));
    assert_says(&refused(&file, &[]), &["scale or renumber it"]);
}

/// An IDX file: type, sizes, and as many bytes of a value.
fn idx(kind: u8, sizes: &[u8], value: u8, bytes: usize) -> Vec<u8> {
    let mut file = vec![0, 0, kind, u8::try_from(sizes.len()).unwrap_or(0)];
    file.extend(sizes.iter().flat_map(|size| [0, 0, 0, *size]));
    file.extend(vec![value; bytes]);
    file
}

/// The model learns from rows of numbers and not from images: so far a file that is sound gets.
const SOUND: &str = "the model 'mlp' learns from rows of numbers";

#[test]
fn idx_files_are_mended_as_told() {
    let place = Place::new();
    let file = run_file(&place, "idx = \"images\"\nlabels = \"labels\"");
    let (images, labels) = (idx(8, &[4, 2, 2], 1, 16), idx(8, &[4], 1, 4));
    let cases = [
        (idx(8, &[4, 2], 1, 8), labels.clone(), "name a file of images"),
        (images.clone(), idx(8, &[4, 1], 1, 4), "name a file of labels"),
        (images.clone(), idx(8, &[3], 1, 3), "name the labels of these images"),
        (images.clone(), idx(9, &[4], 0xff, 4), "name a file of labels"),
        (images.clone(), idx(13, &[4], 0, 16), "name a file of labels"),
        (images[..12].to_vec(), labels.clone(), "name a whole IDX file"),
        (images.clone(), b"none".to_vec(), "name a whole IDX file"),
    ];
    for (one, other, words) in cases {
        write(&place.path("images"), one);
        write(&place.path("labels"), other);
        assert_says(&refused(&file, &[]), &[words]);
        write(&place.path("images"), &images);
        write(&place.path("labels"), &labels);
        assert_says(&refused(&file, &[]), &[SOUND]);
    }
    assert_says(&refused(&file, &["data.classes=[\"a\"]"]), &["must be 2 names"]);
    assert_says(&refused(&file, &["data.classes=[\"a\",\"b\"]"]), &[SOUND]);
    let file = run_file(&place, "idx = \"images\"");
    assert_says(&refused(&file, &[]), &["data.labels is missing"]);
    assert_says(&refused(&file, &["data.labels=none"]), &["check the name"]);
}

/// Pictures of so many pixels, white, as a program of one's own would write them: stored, not packed.
fn png(width: u8, height: u8) -> Vec<u8> {
    let mut raw = Vec::new();
    for _ in 0..height {
        raw.push(0);
        raw.extend(vec![0xff; usize::from(width)]);
    }
    let length = u16::try_from(raw.len()).unwrap_or(0);
    let mut data = vec![0x78, 1, 1];
    data.extend(length.to_le_bytes());
    data.extend((!length).to_le_bytes());
    data.extend(&raw);
    let (mut one, mut two) = (1_u32, 0_u32);
    for byte in &raw {
        one = (one + u32::from(*byte)) % 65521;
        two = (two + one) % 65521;
    }
    data.extend((two << 16 | one).to_be_bytes());
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [0, 0, 0, width, 0, 0, 0, height, 8, 0, 0, 0, 0];
    for (name, data) in [(b"IHDR", &header[..]), (b"IDAT", &data), (b"IEND", &[])] {
        file.extend(u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
        let named = [&name[..], data].concat();
        file.extend(&named);
        file.extend(checksum(&named).to_be_bytes());
    }
    file
}

/// CRC-32, as PNG has it.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 }
        })
    };
    !bytes.iter().fold(!0, step)
}

#[test]
fn images_are_mended_as_told() {
    let place = Place::new();
    let file = run_file(&place, "images = \"images\"");
    let folder = place.path("images");
    let make = |path: &str| {
        std::fs::create_dir_all(folder.join(path)).unwrap_or_else(|error| panic!("{error}"));
    };
    make("");
    let words = "put the images of each class into a folder of its own in it";
    assert_says(&refused(&file, &[]), &[words]);
    make("cat");
    make("dog");
    write(&folder.join("cat/1.png"), png(2, 2));
    write(&folder.join("cat/2.png"), png(2, 2));
    assert_says(
        &refused(&file, &[]),
        &["put the images of the class into it, or take the folder away"],
    );
    write(&folder.join("dog/1.png"), png(2, 2));
    assert_says(&refused(&file, &[]), &[SOUND]);
    write(&folder.join("dog/2.png"), png(3, 2));
    assert_says(&refused(&file, &[]), &["set data.size to [height, width]"]);
    assert_says(&refused(&file, &["data.size=[2,2]"]), &[SOUND]);
    assert_says(&refused(&file, &["data.size=[2]"]), &["must be [height, width]"]);
    write(&folder.join("dog/2.png"), "no picture");
    assert_says(&refused(&file, &[]), &["replace it or take it away"]);
    std::fs::remove_file(folder.join("dog/2.png")).unwrap_or_else(|error| panic!("{error}"));
    assert_says(&refused(&file, &[]), &[SOUND]);
    let one = "data.classes=[\"cat\"]";
    assert_says(&refused(&file, &[one]), &["name it in data.classes or take it away"]);
    assert_says(&refused(&file, &["data.classes=[\"cat\",\"dog\"]"]), &[SOUND]);
    std::fs::remove_dir_all(folder.join("dog")).unwrap_or_else(|error| panic!("{error}"));
    assert_says(&refused(&file, &[one]), &[SOUND]);
}
