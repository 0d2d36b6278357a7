//! A disk whose power can go: what was not synced by then is there, or not, or in part.

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

/// What a disk writes as a whole, or not at all.
const SECTOR: usize = 512;

/// Random numbers that a seed gives again (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// Something that was written and not synced.
#[derive(Debug)]
enum Pending {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Debug, Default)]
struct Inside {
    /// What the program reads.
    current: Vec<u8>,
    /// What is on the platter for sure.
    synced: Vec<u8>,
    pending: Vec<Pending>,
    operations: usize,
    /// The operation before which the power goes.
    power: Option<usize>,
}

/// A disk in memory. A clone is the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<Inside>>);

impl Disk {
    /// The power goes before this operation that would change something, counted from now.
    pub(super) fn fail_before(&self, operation: usize) {
        let mut inside = self.0.lock().unwrap();
        inside.power = Some(inside.operations + operation);
    }

    pub(super) fn operations(&self) -> usize {
        self.0.lock().unwrap().operations
    }

    /// What is found when the power is back.
    pub(super) fn power_cycle(&self, dice: &mut Dice) -> Self {
        let inside = self.0.lock().unwrap();
        let mut platter = inside.synced.clone();
        for pending in &inside.pending {
            match pending {
                Pending::Length(length) if dice.roll(2) == 0 => platter.resize(*length, 0),
                Pending::Length(_) => {}
                Pending::Write(offset, bytes) => {
                    let fate = dice.roll(3);
                    for (i, sector) in bytes.chunks(SECTOR).enumerate() {
                        if fate == 1 || fate == 2 && dice.roll(2) == 0 {
                            write(&mut platter, offset + i * SECTOR, sector);
                        }
                    }
                }
            }
        }
        Self(Arc::new(Mutex::new(Inside {
            current: platter.clone(),
            synced: platter,
            ..Inside::default()
        })))
    }
}

fn write(platter: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if platter.len() < end {
        platter.resize(end, 0);
    }
    platter[offset..end].copy_from_slice(bytes);
}

impl Inside {
    fn powered(&self) -> io::Result<()> {
        match self.power {
            Some(power) if self.operations >= power => Err(io::Error::other("the power is gone")),
            _ => Ok(()),
        }
    }

    fn operate(&mut self) -> io::Result<()> {
        self.powered()?;
        self.operations += 1;
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        let inside = self.0.lock().unwrap();
        inside.powered()?;
        Ok(inside.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let inside = self.0.lock().unwrap();
        inside.powered()?;
        let offset = usize::try_from(offset).unwrap();
        let found = inside.current.get(offset..offset + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut inside = self.0.lock().unwrap();
        inside.operate()?;
        let length = usize::try_from(length).unwrap();
        inside.current.resize(length, 0);
        inside.pending.push(Pending::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inside = self.0.lock().unwrap();
        inside.operate()?;
        let pending = std::mem::take(&mut inside.pending);
        for pending in pending {
            match pending {
                Pending::Length(length) => inside.synced.resize(length, 0),
                Pending::Write(offset, bytes) => write(&mut inside.synced, offset, &bytes),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut inside = self.0.lock().unwrap();
        inside.operate()?;
        let offset = usize::try_from(offset).unwrap();
        write(&mut inside.current, offset, data);
        inside.pending.push(Pending::Write(offset, data.to_vec()));
        Ok(())
    }
}
