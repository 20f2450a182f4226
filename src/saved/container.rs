//! A file around its arrays: head, directory and trailer.

use super::archive::Writer;
use super::format::{HEAD, MAGIC, TRAILER, VERSION, corrupt};
use super::source::Source;
use crate::error::{Error, ErrorKind, Result, try_vec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

/// Writes what `body` writes, the directory that it returns, and all around it.
pub(crate) fn write<D: Serialize>(
    writer: &mut Writer<'_, '_>,
    body: impl FnOnce(&mut Writer<'_, '_>) -> Result<D>,
) -> Result<()> {
    let mut head = MAGIC.to_vec();
    head.extend(VERSION.to_le_bytes());
    head.extend([0; 4]);
    writer.bytes(&head)?;
    let directory = body(writer)?;
    let directory = postcard::to_allocvec(&directory)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("the directory cannot be encoded: {error}")))?;
    let place = writer.place();
    writer.bytes(&directory)?;
    let mut trailer = Vec::with_capacity(TRAILER);
    for number in [place, directory.len() as u64, xxh3_64(&directory), u64::from(VERSION)] {
        trailer.extend(number.to_le_bytes());
    }
    trailer.extend(MAGIC);
    writer.bytes(&trailer)
}

/// The directory of a saved tree.
pub(crate) fn directory<D: DeserializeOwned>(source: &dyn Source) -> Result<D> {
    let len = source.len();
    let mut head = [0; HEAD];
    let start = len.min(HEAD as u64) as usize;
    source.read(0, &mut head[..start])?;
    let magic = start.min(MAGIC.len());
    if head[..magic] != MAGIC[..magic] || len == 0 {
        let how = if len == 0 { "it is empty" } else { "it does not begin as one does" };
        return Err(Error::new(ErrorKind::Corrupt, format!("{} is no saved tree: {how}", source.name())));
    }
    if len < (HEAD + TRAILER) as u64 {
        return Err(corrupt(format!("it has {len} bytes, too few")));
    }
    let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    let mut trailer = [0; TRAILER];
    source.read(len - TRAILER as u64, &mut trailer)?;
    let numbers: Vec<u64> =
        trailer[..32].chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default())).collect();
    let (place, size, sum) = (numbers[0], numbers[1], numbers[2]);
    if trailer[32..] != MAGIC {
        return Err(corrupt("it does not end as a saved tree does; it may be cut off"));
    }
    // Told twice, so that damage is not taken for another version.
    if numbers[3] != u64::from(version) || head[12..] != [0; 4] {
        return Err(corrupt("its first and its last bytes disagree about its version"));
    }
    if version != VERSION {
        let message = format!("the saved tree has format {version}; this library reads format {VERSION}");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if place.checked_add(size) != Some(len - TRAILER as u64) {
        return Err(corrupt("its directory is not where it should be"));
    }
    let mut bytes = try_vec(size as usize, 0u8, "the directory of the saved tree")?;
    source.read(place, &mut bytes)?;
    if xxh3_64(&bytes) != sum && !cfg!(fuzzing) {
        return Err(corrupt("its directory does not match its checksum"));
    }
    postcard::from_bytes(&bytes).map_err(|error| corrupt(format!("its directory cannot be decoded: {error}")))
}
