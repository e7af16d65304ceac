// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

/// The packets of one family on one way: where they come from and go to, and what each port there decides.
struct Passage {
    let universe: Universe
    let list: DecisionList
    let source: Ways.Place
    let destination: Ways.Place
    /// At most two.
    let hops: [Ways.Hop]
    /// By station: the tags that its ports admit.
    private let admitted: [ClassSet]

    init?(
        _ universe: Universe, _ list: DecisionList, from source: Ways.Place, to destination: Ways.Place,
        admitted: [ClassSet]
    ) {
        hops = [source.hop, destination.hop].compactMap(\.self)
        if hops.isEmpty { return nil }
        self.admitted = admitted
        self.universe = universe
        self.list = list
        self.source = source
        self.destination = destination
    }

    /// The packets that a question is about; nil if none goes this way.
    func box(_ ends: Rule.Ends, _ services: ClassSet) -> Box? {
        guard ends.source.isHost ?? source.isHost == source.isHost,
            ends.destination.isHost ?? destination.isHost == destination.isHost
        else { return nil }
        let from = universe.sources(source.addresses, isOwn: source.isHost)
        let to = universe.destinations(destination.addresses, isOwn: destination.isHost)
        let box = Box(
            source: from.intersection(universe.sources(ends.from, isOwn: source.isHost)),
            destination: to.intersection(universe.destinations(ends.to, isOwn: destination.isHost)),
            service: services, crossing: crossing(hops[0]),
            next: hops.count > 1 ? crossing(hops[1]) : Box.single)
        return box.isEmpty || !universe.hasPacket(box) ? nil : box
    }

    private func crossing(_ hop: Ways.Hop) -> ClassSet {
        universe.crossings.classes([hop.direction], at: [hop.station], tags: admitted[hop.station])
    }

    /// A part's packets as those of this way: what it says of the crossing holds at this hop, and nothing at the other.
    func box(ofPart index: Int, at hop: Int) -> Box {
        var box = list.parts[index].box
        let all = ClassSet(below: universe.crossings.count)
        if hop == 1 {
            box.next = box.crossing
            box.crossing = all
        } else {
            box.next = hops.count > 1 ? all : Box.single
        }
        return box
    }

    /// The parts that meet a box of this way at one of its hops, ascending.
    func meeting(_ box: Box, at hop: Int, in range: Range<Int>, where isMeant: (DecisionPart) -> Bool) -> [Int] {
        var here = box
        here.crossing = hop == 0 ? box.crossing : box.next
        here.next = Box.single
        return list.meeting(here, in: range, where: isMeant)
    }

    /// The packet of a box as it is at one of the hops.
    func witness(in box: Box, at hop: Int) -> Witness {
        var here = box
        here.crossing = hop == 0 ? box.crossing : box.next
        here.next = Box.single
        return universe.witness(in: here)
    }

    // MARK: Searching

    /// A part of a box that may be accepted at every hop; nil where there is none.
    ///
    /// - Parameters:
    ///   - hop: The hops before this one accept it already.
    ///   - refusals: What they refuse.
    func accepted(
        _ box: Box, _ effort: inout Effort, from hop: Int = 0, under refusals: [Box] = []
    ) throws(Spent) -> Box? {
        guard hop < hops.count else { return box }
        for index in meeting(box, at: hop, in: 0..<list.parts.count, where: { $0.action == .accept }) {
            let common = box.intersection(self.box(ofPart: index, at: hop))
            effort.left -= index / 8
            let before = meeting(common, at: hop, in: 0..<index, where: { $0.isSure && $0.action != .accept })
            let all = refusals + before.map { self.box(ofPart: $0, at: hop) }
            guard let open = try openPart(common, under: all, &effort) else { continue }
            if hop + 1 == hops.count { return open }
            if let found = try accepted(common, &effort, from: hop + 1, under: all) { return found }
        }
        return nil
    }

    /// A part of a box that some hop may refuse by a rule or a default, and which; nil where there is none. What a
    /// guard refuses is a false claim, and no packet that anybody expects to pass.
    func refused(_ box: Box, _ effort: inout Effort) throws(Spent) -> (Box, hop: Int)? {
        for hop in hops.indices {
            for index in meeting(box, at: hop, in: 0..<list.parts.count, where: \.isRefusalByPolicy) {
                let common = box.intersection(self.box(ofPart: index, at: hop))
                effort.left -= index / 8
                let before = meeting(common, at: hop, in: 0..<index, where: { $0.isSure && !$0.isRefusalByPolicy })
                let all = before.map { self.box(ofPart: $0, at: hop) }
                if let open = try openPart(common, under: all, &effort) { return (open, hop) }
            }
        }
        return nil
    }

    private func openPart(_ box: Box, under boxes: [Box], _ effort: inout Effort) throws(Spent) -> Box? {
        switch universe.search(box, under: boxes, &effort) {
        case .open(let part): return part
        case .covered: return nil
        case .spent: throw Spent()
        }
    }
}

/// The effort did not suffice.
struct Spent: Error {}
