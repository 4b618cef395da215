//! Who a node is inside the gossip protocol, and the reading of a packet before the protocol sees it.
//!
//! The identity is small on purpose (no address, no name): a packet's header carries it twice. Of two
//! identities of one instance the higher (generation, rejoins) is the present one. A rejoin is gossip's own
//! affair (it takes a new identity after it was wrongly declared down) and never changes the generation.

use bytes::Buf;
use foca::{Codec, Header, Identity as _, Message, PostcardCodec};
use quorate_proto::{Generation, Instance};

/// A node as gossip names it.
#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct SwimId {
    instance: [u8; 16],
    generation: u64,
    rejoins: u32,
}

impl SwimId {
    pub(crate) fn new(instance: Instance, generation: Generation) -> Self {
        Self { instance: instance.to_bytes(), generation: generation.get(), rejoins: 0 }
    }

    pub(crate) fn instance(&self) -> Instance {
        Instance::from_bytes(self.instance)
    }

    pub(crate) fn generation(&self) -> Generation {
        Generation::new(self.generation)
    }
}

impl std::fmt::Debug for SwimId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}/g{}.{}", self.instance(), self.generation, self.rejoins)
    }
}

impl foca::Identity for SwimId {
    type Addr = [u8; 16];

    fn renew(&self) -> Option<Self> {
        let rejoins = self.rejoins.checked_add(1)?;
        Some(Self { rejoins, ..*self })
    }

    fn addr(&self) -> Self::Addr {
        self.instance
    }

    fn win_addr_conflict(&self, other: &Self) -> bool {
        (self.generation, self.rejoins) > (other.generation, other.rejoins)
    }
}

/// What a packet says before it is believed.
#[derive(Debug)]
pub(crate) struct Packet {
    /// Who claims to have sent it.
    pub(crate) source: SwimId,
    /// Whom it brings news of.
    pub(crate) subjects: Vec<SwimId>,
    /// It tells its receiver that it counts as down.
    turns_undead: bool,
    /// Whom it calls down.
    down: Vec<SwimId>,
}

impl Packet {
    /// Whether it says that this present identity of its receiver is down.
    pub(crate) fn ends(&self, me: &SwimId) -> bool {
        let present = |id: &SwimId| id.addr() == me.addr() && !me.win_addr_conflict(id);
        self.turns_undead || self.down.iter().any(present)
    }
}

/// Why a packet was not handed to the gossip protocol, or was refused by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Not decodable.
    #[error("a gossip packet cannot be decoded: {0}")]
    Malformed(String),
    /// It claims to come from somebody else than the session it came on.
    #[error("a gossip packet from {from} claims to come from {claimed}")]
    NotItsOwn {
        /// The peer of the session.
        from: Instance,
        /// Who the packet says it is from.
        claimed: Instance,
    },
    /// It comes from another start of the peer than the session.
    #[error("a gossip packet from {from} belongs to another of its starts")]
    OtherGeneration {
        /// The peer of the session.
        from: Instance,
    },
    /// It names nodes for which there is no room.
    #[error("a gossip packet names more nodes than a cluster can have")]
    Crowded,
    /// It says that this node is down, which had to join again a moment ago for the same reason.
    #[error("a gossip packet declares this node down again, too soon after the last time")]
    TooSoon,
    /// The gossip protocol itself refused it.
    #[error("a gossip packet was refused: {0}")]
    Refused(String),
}

/// Reads who sent a packet and whom it brings news of.
pub(crate) fn peek(mut packet: &[u8]) -> Result<Packet, PacketError> {
    let malformed = |error: &dyn std::fmt::Display| PacketError::Malformed(error.to_string());
    let mut codec = PostcardCodec;
    let header: Header<SwimId> = codec.decode_header(&mut packet).map_err(|e| malformed(&e))?;
    let (mut subjects, mut down) = (Vec::new(), Vec::new());
    let turns_undead = header.message == Message::TurnUndead;
    if packet.remaining() >= 2 && header.message != Message::Broadcast {
        // A packet of at most GOSSIP_PACKET bytes ends long before this count can hurt.
        for _ in 0..packet.get_u16() {
            let member: foca::Member<SwimId> =
                codec.decode_member(&mut packet).map_err(|e| malformed(&e))?;
            subjects.push(*member.id());
            if member.state() == foca::State::Down {
                down.push(*member.id());
            }
        }
    }
    Ok(Packet { source: header.src, subjects, turns_undead, down })
}

/// The same packet without what it says of those who are not believed in. What cannot be decoded is left as it is.
pub(crate) fn sifted(packet: &[u8], believed: impl Fn(&SwimId) -> bool) -> Vec<u8> {
    let mut codec = PostcardCodec;
    let mut rest = packet;
    let header: Result<Header<SwimId>, _> = codec.decode_header(&mut rest);
    if header.is_err() || rest.remaining() < 2 {
        return packet.to_vec();
    }
    let mut out = packet[..packet.len() - rest.len()].to_vec();
    let (count, mut kept, mut members) = (rest.get_u16(), 0_u16, Vec::new());
    for _ in 0..count {
        let before = rest;
        let member: Result<foca::Member<SwimId>, _> = codec.decode_member(&mut rest);
        let Ok(member) = member else { return packet.to_vec() };
        if believed(member.id()) {
            kept += 1;
            members.extend_from_slice(&before[..before.len() - rest.len()]);
        }
    }
    out.extend_from_slice(&kept.to_be_bytes());
    out.extend_from_slice(&members);
    out.extend_from_slice(rest);
    out
}
