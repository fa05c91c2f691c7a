//! GGUF files of a few hundred bytes, whole, cut and damaged.

use proptest::prelude::*;

use super::*;
use crate::config::from_gguf;
use crate::place::{Part, Role};

/// Writes a file value by value.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.u64(text.len() as u64);
        self.0.extend(text.as_bytes());
        self
    }

    fn key_text(&mut self, key: &str, text: &str) -> &mut Self {
        self.text(key).u32(8).text(text)
    }

    fn key_number(&mut self, key: &str, number: u32) -> &mut Self {
        self.text(key).u32(4).u32(number)
    }

    fn tensor(&mut self, name: &str, shape: &[u64], kind: u32, offset: u64) -> &mut Self {
        self.text(name).u32(shape.len() as u32);
        for size in shape {
            self.u64(*size);
        }
        self.u32(kind).u64(offset)
    }
}

/// A Llama of one block with two of its tensors.
fn small() -> Vec<u8> {
    let mut file = Writer(MAGIC.to_vec());
    file.u32(3).u64(2).u64(9);
    file.key_text("general.architecture", "llama").key_text("general.name", "small");
    file.key_number("llama.embedding_length", 64).key_number("llama.block_count", 1);
    file.key_number("llama.attention.head_count", 4).key_number("llama.context_length", 128);
    file.key_number("llama.feed_forward_length", 96);
    file.text("llama.rope.freq_base").u32(6).u32(1e5_f32.to_bits());
    file.text("tokenizer.ggml.tokens").u32(9).u32(8).u64(3).text("a").text("b").text("c");
    // Three rows of 64 numbers in two blocks of 34 bytes each, then 64 numbers of 4 bytes.
    file.tensor("token_embd.weight", &[64, 3], 8, 0);
    file.tensor("blk.0.attn_norm.weight", &[64], 0, 224);
    let start = file.0.len().next_multiple_of(32);
    file.0.resize(start + 224 + 256, 7);
    file.0
}

fn read(bytes: &[u8]) -> Result<Gguf, String> {
    Gguf::read(&mut Reader::new(bytes, bytes.len() as u64), &[])
}

#[test]
fn metadata_and_tensors_are_as_they_were_written() {
    let bytes = small();
    let file = read(&bytes).unwrap();
    let config = from_gguf("small.gguf".as_ref(), &file).unwrap();
    assert_eq!((config.width, config.blocks, config.heads), (64, 1, 4));
    assert_eq!((config.key_value_heads, config.head_width), (4, 16));
    assert_eq!((config.vocabulary, config.context, config.tied), (3, 128, true));
    let rope = config.rope.unwrap();
    assert_eq!((rope.theta, rope.share, rope.scaling), (1e5, 1.0, None));
    let [tokens, norm] = &file.weights[..] else { panic!("two weights") };
    assert_eq!(
        (&tokens.shape[..], tokens.element.name(), tokens.bytes),
        (&[3, 64][..], "q8_0", 204)
    );
    assert_eq!((tokens.part, tokens.role), (Part::Embed, Role::Embedding));
    assert_eq!((norm.part, norm.role, norm.bytes), (Part::Block(0), Role::Norm, 256));
    assert_eq!(norm.offset + norm.bytes, bytes.len() as u64);
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = small();
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "{length}");
    }
    let cut = read(&bytes[..bytes.len() - 1]).unwrap_err();
    assert!(cut.contains("cut off: blk.0.attn_norm.weight ends at byte"), "{cut}");
}

#[test]
fn sizes_that_cannot_be_are_refused_before_there_is_room_for_them() {
    let mut file = Writer(MAGIC.to_vec());
    file.u32(3).u64(u64::MAX).u64(u64::MAX).u64(u64::MAX);
    assert!(read(&file.0).unwrap_err().contains("more than there can be"));
    let mut file = Writer(MAGIC.to_vec());
    file.u32(3).u64(1).u64(0).tensor("x", &[u64::MAX, u64::MAX], 0, 0);
    assert!(read(&file.0).is_err());
    let mut file = Writer(MAGIC.to_vec());
    file.u32(3).u64(1).u64(0).tensor("x", &[33], 8, 0);
    assert!(read(&file.0).unwrap_err().contains("no whole blocks"));
    assert!(read(b"GGUF\x01\0\0\0").unwrap_err().contains("version 1"));
    // The weights of so many blocks would be more names than there is memory.
    let mut bytes = small();
    let key = b"llama.block_count";
    let at = bytes.windows(key.len()).position(|it| it == key).unwrap() + key.len() + 4;
    bytes[at + 3] = 1;
    let error = from_gguf("many.gguf".as_ref(), &read(&bytes).unwrap()).unwrap_err();
    assert!(error.to_string().contains("has 16777217 blocks"), "{error}");
}

proptest! {
    #[test]
    fn no_damaged_file_panics(at in 0..600_usize, byte: u8, more in 0..4_usize) {
        let mut bytes = small();
        for offset in 0..=more {
            let length = bytes.len();
            bytes[(at + 97 * offset) % length] = byte;
        }
        if let Ok(file) = read(&bytes) {
            let _either = from_gguf("damaged.gguf".as_ref(), &file);
        }
    }
}
