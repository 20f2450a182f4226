//! Saving and loading trees.

use super::nodes_on_demand::NodesOnDemand;
use super::part::{Ids, Part, REMOVED, simd};
use super::tree::ResidualCoverTree;
use crate::control::Control;
use crate::cover_tree::{CoverTree, SavedNodes};
use crate::error::{Error, ErrorKind, Result, headroom, try_collect, try_copy, try_with_capacity};
use crate::kernel::Covariance;
use crate::layout::Layout;
use crate::metric::{AnyMetric, Preparation, SavedPoints, SavedPreparation};
use crate::options::Options;
use crate::parallel::Threads;
use crate::saved::{
    Array, Buffer, OpenFile, Reader, Replacement, Shared, Source, Writer, corrupt, directory, file_error, write,
};
use crate::search::{InUse, Index, SavedIndex};
use crate::stats::{BuildSeconds, LengthscaleCheck};
use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;

/// Bytes that are written to a file at a time.
const BUFFER: usize = 1 << 20;

/// A tree's directory.
#[derive(Serialize, Deserialize)]
struct SavedTree {
    options: Options,
    preparation: SavedPreparation,
    parts: Vec<SavedPart>,
    next_id: u32,
    seconds: BuildSeconds,
    lengthscale: LengthscaleCheck,
}

#[derive(Serialize, Deserialize)]
struct SavedPart {
    points: SavedPoints,
    /// Number of the point at each position, and how inner nodes of the layout cut space.
    numbers: Array<u32>,
    axes: Array<u32>,
    cuts: Array<f64>,
    /// Absent as long as nobody has asked for them.
    nodes: Option<SavedNodes>,
    index: SavedIndex,
    ids: SavedIds,
    /// Positions of removed points, ascending.
    removed: Array<u32>,
    evaluations: u64,
}

#[derive(Serialize, Deserialize)]
enum SavedIds {
    Range(u32, u32),
    List(Array<u32>),
}

/// How a tree is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Threads of the tree, as in [`Options::threads`]; absent: those that it was saved with.
    pub threads: Option<usize>,
}

impl ResidualCoverTree {
    /// Saves the tree in the file at `path`, which it replaces at once when all is written and on the disk: whatever
    /// happens, there is the old file or the new one. The format does not depend on the machine.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Unsupported`] for a custom covariance, which cannot be saved; memory,
    /// cancellation. A file at `path` is then as it was.
    pub fn save(&self, path: &Path, control: &mut Control<'_>) -> Result<()> {
        self.check_savable()?;
        headroom(2 * BUFFER, "the saved tree")?;
        let mut file = Replacement::create(path)?;
        let mut out = std::io::BufWriter::with_capacity(BUFFER, file.file());
        self.write(&mut out, control)?;
        out.flush().map_err(|error| file_error("cannot write", path, &error))?;
        drop(out);
        file.take_place()?;
        control.step(1.0).or(Ok(()))
    }

    /// The bytes of a file that [`Self::save`] would write.
    ///
    /// # Errors
    /// As there, but for files.
    pub fn to_bytes(&self, control: &mut Control<'_>) -> Result<Vec<u8>> {
        self.check_savable()?;
        let mut buffer = Buffer(Vec::new());
        self.write(&mut buffer, control)?;
        control.step(1.0)?;
        Ok(buffer.0)
    }

    /// Loads the tree that was saved at `path`: reads and checks all of it, once.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Corrupt`] for a file that is damaged or no saved tree;
    /// [`ErrorKind::Unsupported`] for one of a later format; memory, cancellation.
    pub fn load(path: &Path, options: &LoadOptions, control: &mut Control<'_>) -> Result<Self> {
        Self::read(&OpenFile::open(path)?, None, options, control)
    }

    /// As [`Self::load`], from the bytes of a file.
    ///
    /// # Errors
    /// As there, but for files.
    pub fn from_bytes(bytes: &[u8], options: &LoadOptions, control: &mut Control<'_>) -> Result<Self> {
        Self::read(&bytes, None, options, control)
    }

    /// As [`Self::from_bytes`], but V, most of a tree, stays in `bytes`, a memory map for example: it is not read now, but
    /// as queries need it, and each piece of 64 KiB is checked when it is first used. (It is copied where it does not lie
    /// at a multiple of 8 bytes in memory, or where the order of bytes is another.)
    ///
    /// # Errors
    /// As [`Self::from_bytes`]. Searches of the tree have [`ErrorKind::Corrupt`] where V is damaged.
    pub fn from_shared(
        bytes: std::sync::Arc<dyn AsRef<[u8]> + Send + Sync>,
        options: &LoadOptions,
        control: &mut Control<'_>,
    ) -> Result<Self> {
        let shared = Shared::clone(&bytes);
        Self::read(&(*bytes).as_ref(), Some(shared), options, control)
    }

    /// An error for what cannot be saved.
    fn check_savable(&self) -> Result<()> {
        match self.options.covariance {
            Covariance::Stationary(_) => Ok(()),
            Covariance::Custom(_) => {
                Err(Error::new(ErrorKind::Unsupported, "a tree with a custom covariance cannot be saved"))
            }
        }
    }

    fn write(&self, out: &mut dyn Write, control: &mut Control<'_>) -> Result<()> {
        control.window(0.0, 1.0);
        control.phase(0.0, 1.0);
        let total = self.stats().memory_bytes;
        write(&mut Writer::new(out, total, control), |writer| {
            Ok(SavedTree {
                options: self.options.clone(),
                preparation: self.preparation.save(writer)?,
                parts: self.parts.iter().map(|part| part.save(writer)).collect::<Result<_>>()?,
                next_id: self.next_id,
                seconds: self.seconds,
                lengthscale: self.lengthscale,
            })
        })
    }

    fn read(
        source: &dyn Source,
        shared: Option<Shared>,
        given: &LoadOptions,
        control: &mut Control<'_>,
    ) -> Result<Self> {
        control.window(0.0, 1.0);
        control.phase(0.0, 1.0);
        let saved: SavedTree = directory(source)?;
        let mut options = saved.options;
        options.check().map_err(corrupt)?;
        options.threads = given.threads.unwrap_or(options.threads);
        options.check()?;
        let reader = Reader::new(source, shared, control);
        let preparation = Preparation::load(saved.preparation, &options, simd(&options), &reader)?;
        let load = |part| Part::load(part, &options, &preparation, &reader);
        let parts = saved.parts.into_iter().map(load).collect::<Result<Vec<Part>>>()?;
        let tree = ResidualCoverTree {
            threads: Threads::new(options.threads),
            options,
            preparation,
            parts,
            next_id: saved.next_id,
            seconds: saved.seconds,
            lengthscale: saved.lengthscale,
            last_search: ArcSwap::default(),
            in_use: InUse::ALL,
        };
        tree.check_parts().map_err(corrupt)?;
        control.step(1.0)?;
        Ok(tree)
    }
}

impl Part {
    fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedPart> {
        let what = "the saved tree";
        let axes: Vec<u32> = try_collect(self.layout.cuts().iter().map(|cut| Ok(cut.axis)), what)?;
        let cuts: Vec<f64> = try_collect(self.layout.cuts().iter().map(|cut| Ok(cut.at)), what)?;
        let mut removed: Vec<u32> = try_with_capacity(self.removed, what)?;
        removed.extend((0..self.len() as u32).filter(|&i| self.numbers()[i as usize] == REMOVED));
        Ok(SavedPart {
            points: self.metric.save(writer)?,
            numbers: writer.array(&self.layout.numbers)?,
            axes: writer.array(&axes)?,
            cuts: writer.array(&cuts)?,
            nodes: self.nodes.get().map(|nodes| nodes.save(writer)).transpose()?,
            index: self.index.save(writer)?,
            ids: match &self.ids {
                &Ids::Range(first, count) => SavedIds::Range(first, count),
                Ids::List(ids) => SavedIds::List(writer.array(ids)?),
            },
            removed: writer.array(&removed)?,
            evaluations: self.evaluations,
        })
    }

    fn load(saved: SavedPart, options: &Options, preparation: &Preparation, reader: &Reader<'_, '_>) -> Result<Part> {
        let what = "the tree";
        let metric = AnyMetric::load(saved.points, options, preparation, reader)?;
        let (n, d) = (metric.points().n, metric.points().d);
        let numbers = reader.array(&saved.numbers, &[n], what)?;
        let (axes, cuts) = (reader.array(&saved.axes, &[], what)?, reader.array(&saved.cuts, &[], what)?);
        let Some(layout) = Layout::restored(numbers, &axes, &cuts, d)? else {
            return Err(corrupt("its points do not lie in a layout"));
        };
        let nodes = saved.nodes.map(|nodes| CoverTree::load(nodes, &layout, d, reader)).transpose()?;
        let ids = match saved.ids {
            SavedIds::Range(first, count) => Ids::Range(first, count),
            SavedIds::List(ids) => Ids::List(reader.array(&ids, &[], what)?),
        };
        let overflows = matches!(ids, Ids::Range(first, count) if first.checked_add(count).is_none());
        if n == 0 || ids.len() != n || overflows {
            return Err(corrupt("a part has a wrong number of ids"));
        }
        let loaded = Index::load(saved.index, &metric, preparation.inducing(), reader)?;
        let removed: Vec<u32> = reader.array(&saved.removed, &[], what)?;
        let mut numbers = Vec::new();
        if !removed.is_empty() {
            numbers = try_copy(&layout.numbers, what)?;
        }
        for &position in &removed {
            match numbers.get_mut(position as usize) {
                Some(number) if *number != REMOVED => *number = REMOVED,
                _ => return Err(corrupt("a removed point does not exist")),
            }
        }
        let boxes = Part::boxes(&metric, &layout, preparation.is_given())?;
        if let (Some(twins), (index, _)) = (&boxes.1, &loaded)
            && !index.is_empty()
            && (0..layout.len() as u32).any(|i| index.home(i).is_some() != (twins.first(i) == i))
        {
            return Err(corrupt("its index does not have the first point of each place"));
        }
        let mut part = Part::with(metric, layout, boxes, loaded, ids, numbers)?;
        part.nodes = nodes.map(NodesOnDemand::with).unwrap_or_default();
        part.evaluations = saved.evaluations;
        Ok(part)
    }
}
