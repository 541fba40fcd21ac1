//! What was found in a cluster that can be leased: its baseline, and what a holder left. Both may be larger than a row,
//! so they lie compressed in chunks.

use std::io::{Read, Write as _};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{ClusterName, Epoch, Look};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Cause;
use crate::items::{Head, Item, Kind, encode};
use crate::keys::Key;
use crate::request::Condition;
use crate::{Error, Store};

/// Bytes a row: an item ends at 400 KB.
const CHUNK_BYTES: usize = 300 * 1024;
/// The most rows of one inventory: at a thirtieth of a kilobyte an object, a hundred thousand objects.
const CHUNKS_MAX: usize = 16;
/// The most bytes of an inventory before it is compressed.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Rows written at once.
const CONCURRENCY: usize = 4;

impl Store {
    /// Writes the baseline of a cluster that this intake found. It counts once the cluster's row says so. The same
    /// intake may be written again.
    ///
    /// # Errors
    /// [`Error::Rejected`] when it is too large; otherwise as for every write.
    pub async fn put_baseline<T: Serialize>(
        &self,
        cluster: &ClusterName,
        intake: u32,
        baseline: &T,
        look: &Look,
    ) -> Result<(), Error> {
        self.put_chunks(|number| Key::baseline(cluster, intake, number), baseline, look)
            .await
    }

    /// The baseline of a cluster that this intake found.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when there is none, or not all of it; otherwise as for every read.
    pub async fn baseline<T: DeserializeOwned>(&self, cluster: &ClusterName, intake: u32) -> Result<T, Error> {
        let found = self.chunks(|number| Key::baseline(cluster, intake, number)).await?;
        found.ok_or_else(|| Error::corrupt("baseline", "a cluster without a baseline"))
    }

    /// Writes what a holder left in a cluster, by the holder's epoch.
    ///
    /// # Errors
    /// As [`Store::put_baseline`].
    pub async fn put_left_over<T: Serialize>(
        &self,
        cluster: &ClusterName,
        epoch: Epoch,
        left_over: &T,
        look: &Look,
    ) -> Result<(), Error> {
        self.put_chunks(|number| Key::left_over(cluster, epoch, number), left_over, look)
            .await
    }

    /// What the holder of this epoch left in a cluster, if that was written.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when not all of it is there; otherwise as for every read.
    pub async fn left_over<T: DeserializeOwned>(
        &self,
        cluster: &ClusterName,
        epoch: Epoch,
    ) -> Result<Option<T>, Error> {
        self.chunks(|number| Key::left_over(cluster, epoch, number)).await
    }

    /// Deletes the baseline that this intake found, if there is one.
    ///
    /// # Errors
    /// As for every write.
    pub async fn forget_baseline(&self, cluster: &ClusterName, intake: u32) -> Result<(), Error> {
        self.forget_chunks(|number| Key::baseline(cluster, intake, number))
            .await
    }

    /// Deletes what is kept of what the holder of this epoch left, if anything is.
    ///
    /// # Errors
    /// As for every write.
    pub async fn forget_left_over(&self, cluster: &ClusterName, epoch: Epoch) -> Result<(), Error> {
        self.forget_chunks(|number| Key::left_over(cluster, epoch, number))
            .await
    }

    /// The first chunk, which says how many there are, goes last.
    async fn forget_chunks(&self, key: impl Fn(usize) -> Key) -> Result<(), Error> {
        let Some(first) = self.get(&key(0)).await? else {
            return Ok(());
        };
        let count = number_of(&first).unwrap_or(1).min(CHUNKS_MAX);
        for number in (0..count).rev() {
            self.delete(&key(number), &Condition::any()).await?;
        }
        Ok(())
    }

    async fn put_chunks<T: Serialize>(&self, key: impl Fn(usize) -> Key, value: &T, look: &Look) -> Result<(), Error> {
        let packed = packed(value).map_err(|error| Error::corrupt("encode", &error.to_string()))?;
        let chunks: Vec<&[u8]> = packed.chunks(CHUNK_BYTES).collect();
        if chunks.len() > CHUNKS_MAX {
            return Err(Error::Rejected(Cause::boxed(
                "inventory",
                "there is more than can be kept",
            )));
        }
        let mut rows = Vec::with_capacity(chunks.len());
        for (number, chunk) in chunks.iter().enumerate() {
            let mut row = encode(&Head::new(&key(number), Kind::ClusterInventory, 1, look))?;
            row.insert("chunk".to_owned(), AttributeValue::B(Blob::new(*chunk)));
            row.insert("chunks".to_owned(), AttributeValue::N(chunks.len().to_string()));
            rows.push(row);
        }
        // Collected first: a stream that holds the closure cannot be shown to be `Send` for every lifetime.
        let any = Condition::any();
        let writes: Vec<_> = rows.iter().map(|row| self.put(row, &any)).collect();
        let written: Vec<_> = stream::iter(writes).buffer_unordered(CONCURRENCY).try_collect().await?;
        drop(written);
        Ok(())
    }

    async fn chunks<T: DeserializeOwned>(&self, key: impl Fn(usize) -> Key) -> Result<Option<T>, Error> {
        let Some(first) = self.get(&key(0)).await? else {
            return Ok(None);
        };
        let incomplete = || Error::corrupt("inventory", "a part of it is missing");
        let count = number_of(&first)
            .filter(|count| *count <= CHUNKS_MAX)
            .ok_or_else(incomplete)?;
        let keys: Vec<Key> = (1..count).map(&key).collect();
        // Collected first: a stream that holds the closure cannot be shown to be `Send` for every lifetime.
        let reads: Vec<_> = keys.iter().map(|key| self.get(key)).collect();
        let others: Vec<Option<Item>> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
        let rows: Vec<Item> = [Some(first)].into_iter().chain(others).flatten().collect();
        if rows.len() != count || rows.iter().any(|row| number_of(row) != Some(count)) {
            return Err(incomplete());
        }
        let mut packed = Vec::new();
        for row in &rows {
            let chunk = row
                .get("chunk")
                .and_then(|chunk| chunk.as_b().ok())
                .ok_or_else(incomplete)?;
            packed.extend_from_slice(chunk.as_ref());
        }
        unpacked(&packed)
            .map(Some)
            .map_err(|error| Error::corrupt("decode", &error.to_string()))
    }
}

fn number_of(row: &Item) -> Option<usize> {
    row.get("chunks")?.as_n().ok()?.parse().ok()
}

fn packed<T: Serialize>(value: &T) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    serde_json::to_writer(&mut encoder, value)?;
    encoder.flush()?;
    encoder.finish()
}

fn unpacked<T: DeserializeOwned>(packed: &[u8]) -> std::io::Result<T> {
    Ok(serde_json::from_reader(GzDecoder::new(packed).take(BYTES_MAX))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_small_and_comes_out_again() {
        let names: Vec<String> = (0..10_000)
            .map(|number| format!("configmaps/kube-system/name-{number}"))
            .collect();
        let packed = packed(&names).unwrap();
        assert!(packed.len() < 100_000, "{}", packed.len());
        assert_eq!(unpacked::<Vec<String>>(&packed).unwrap(), names);
        assert!(unpacked::<Vec<String>>(&packed[..100]).is_err());
    }
}
