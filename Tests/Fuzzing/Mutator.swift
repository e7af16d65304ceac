// SPDX-License-Identifier: Apache-2.0
import Compiler
import TestSupport
import Wire

/// Changes frames of a corpus: bits, bytes, lengths, tags, headers put in, headers of two packets spliced, cuts.
struct Mutator {
    /// A frame as it is judged.
    struct Mutant: Sendable {
        var frame: [UInt8]
        /// Bytes that it had on the wire: more than are there if a capture cut it.
        var originalLength: Int
        /// Whether it belongs to none of those before it.
        var startsBurst = false
    }

    private let corpus: Corpus
    /// What most mutants of one burst are made from, so that some belong together.
    private var base: Corpus.Member
    /// What is left of the burst.
    private var burst: [[UInt8]] = []

    init(_ corpus: Corpus) {
        self.corpus = corpus
        base = corpus.members[0]
    }

    mutating func next(_ random: inout RandomNumbers) -> Mutant {
        let startsBurst = burst.isEmpty
        if startsBurst { start(&random) }
        var frame = burst.removeFirst()
        let isPart = frame != base.frame
        let count = random.pick(isPart ? [0, 0, 0, 1] : [0, 1, 1, 1, 2, 2, 3, 4])
        for _ in 0..<count { mutate(&frame, &random) }
        var mutant = isPart && count == 0 ? Mutant(frame: frame, originalLength: frame.count) : measured(frame, &random)
        mutant.startsBurst = startsBurst
        return mutant
    }

    /// One frame several times, or the fragments that it may be cut into, now and then one twice or in another order.
    private mutating func start(_ random: inout RandomNumbers) {
        base = random.pick(corpus.members)
        burst = random.once(in: 5) ? parts(of: base, &random) : []
        if burst.isEmpty {
            burst = Array(repeating: base.frame, count: random.number(1...6))
            return
        }
        if random.once(in: 3) { burst.insert(random.pick(burst), at: random.number(0...burst.count)) }
        if random.once(in: 4) { burst.swapAt(random.number(0...burst.count - 1), random.number(0...burst.count - 1)) }
    }

    private func parts(of member: Corpus.Member, _ random: inout RandomNumbers) -> [[UInt8]] {
        let (l3, isV4) = (member.packet.l3Offset, member.packet.family == .v4)
        let start = l3 + (isV4 ? 20 : 40)
        guard member.packet.family != nil, member.packet.fragment == .whole, member.packet.refusal == nil,
            start + 8 < member.frame.count, !isV4 || member.frame[l3] == 0x45
        else { return [] }
        let data = member.frame[start...].prefix(400)
        let (size, identification) = (8 * random.number(1...8), UInt8(random.number(0...3)))
        return stride(from: 0, to: data.count, by: size).map { place in
            let bytes = data.dropFirst(place).prefix(size)
            let more = place + size < data.count
            var head = Array(member.frame.prefix(start))
            if isV4 {
                write(20 + bytes.count, at: l3 + 2, &head)
                write(Int(identification), at: l3 + 4, &head)
                write(place / 8 | (more ? 0x2000 : 0), at: l3 + 6, &head)
            } else {
                write(8 + bytes.count, at: l3 + 4, &head)
                head += [
                    head[l3 + 6], 0, UInt8(place >> 8), UInt8(place & 0xf8) | (more ? 1 : 0), 0, 0, 0, identification,
                ]
                head[l3 + 6] = 44
            }
            return head + bytes
        }
    }

    /// The frame whole, cut on the wire, padded, or cut by a capture.
    private func measured(_ frame: [UInt8], _ random: inout RandomNumbers) -> Mutant {
        let missing = max(base.originalLength - base.frame.count, 0)
        switch random.number(0...19) {
        case 0:
            let kept = Array(frame.prefix(random.number(0...frame.count)))
            return Mutant(frame: kept, originalLength: kept.count)
        case 1: return Mutant(frame: Array(frame.prefix(random.number(0...120))), originalLength: frame.count + missing)
        case 2:
            let padded = frame + [UInt8](repeating: 0, count: random.number(1...60))
            return Mutant(frame: padded, originalLength: padded.count)
        case 3: return Mutant(frame: frame, originalLength: frame.count + random.number(1...2000))
        default: return Mutant(frame: frame, originalLength: frame.count + missing)
        }
    }

    private func mutate(_ frame: inout [UInt8], _ random: inout RandomNumbers) {
        guard frame.count >= 14 else {
            frame += [UInt8](repeating: 0, count: 20)
            return
        }
        switch random.number(0...15) {
        case 0...2: flip(&frame, &random)
        case 3, 4: set(&frame, &random)
        case 5, 6: changeLength(&frame, &random)
        case 7: tag(&frame, &random)
        case 8: splice(&frame, &random)
        case 9: putIn(&frame, &random)
        case 10: fragment(&frame, &random)
        case 11...13: quote(&frame, &random)
        case 14: reverse(&frame)
        default: changeTransport(&frame, &random)
        }
    }

    // MARK: Bytes

    /// A few bits, most of them in headers.
    private func flip(_ frame: inout [UInt8], _ random: inout RandomNumbers) {
        for _ in 0..<random.number(1...4) {
            let place = random.number(0...min(frame.count, random.once(in: 8) ? frame.count : 94) - 1)
            frame[place] ^= 1 << UInt8(random.number(0...7))
        }
    }

    private static let telling: [UInt8] = [
        0, 1, 2, 4, 5, 6, 8, 15, 17, 41, 43, 44, 45, 50, 51, 58, 59, 60, 64, 69, 127, 128, 132, 134, 135, 255,
    ]

    private func set(_ frame: inout [UInt8], _ random: inout RandomNumbers) {
        let place = random.number(12...min(frame.count, 94) - 1)
        frame[place] = random.pick(Self.telling)
    }

    private func write(_ value: Int, at place: Int, _ frame: inout [UInt8]) {
        guard place >= 0, place + 2 <= frame.count else { return }
        frame[place] = UInt8(truncatingIfNeeded: value >> 8)
        frame[place + 1] = UInt8(truncatingIfNeeded: value)
    }

    private func value(at place: Int, _ frame: [UInt8]) -> Int {
        place + 2 <= frame.count ? Int(frame[place]) << 8 | Int(frame[place + 1]) : 0
    }

    // MARK: Fields, where the unchanged packet has them

    /// A length: of the datagram, the header, or the segment.
    private func changeLength(_ frame: inout [UInt8], _ random: inout RandomNumbers) {
        let (l3, l4, isV4) = (base.packet.l3Offset, base.packet.l4Offset, base.packet.family == .v4)
        guard l3 + 20 < frame.count else { return }
        switch random.number(0...4) {
        case 0, 1:
            let place = l3 + (isV4 ? 2 : 4)
            let change = random.pick([-41, -20, -9, -8, -4, -1, 1, 4, 8, 20])
            write(
                random.once(in: 6) ? random.pick([0, 1, 19, 20, 40, 65535]) : value(at: place, frame) + change,
                at: place, &frame)
        case 2: frame[l3] = frame[l3] & 0xf0 | UInt8(random.number(0...15))
        case 3: write(random.pick([0, 7, 8, 9, frame.count - l4, frame.count - l4 + 1, 65535]), at: l4 + 4, &frame)
        default: if l4 + 13 < frame.count { frame[l4 + 12] = UInt8(random.number(0...255)) }
        }
    }

    /// Which part of a datagram it claims to be.
    private func fragment(_ frame: inout [UInt8], _ random: inout RandomNumbers) {
        let l3 = base.packet.l3Offset
        let offset = random.pick([0, 0, 0, 1, 2, 3, 5, 8, 100, 185, 8189, 8190, 8191])
        let more = random.once(in: 2)
        if base.packet.family == .v4 {
            write(offset | (more ? 0x2000 : 0), at: l3 + 6, &frame)
            if random.once(in: 2) {
                trim(&frame, to: l3 + 20, &random) { frame, end in write(end - l3, at: l3 + 2, &frame) }
            }
            return
        }
        guard base.packet.family == .v6, l3 + 40 <= frame.count else { return }
        if frame[l3 + 6] != 44 {
            let header = [frame[l3 + 6], 0, 0, 0, 0, 0, 0, UInt8(random.number(0...1))]
            frame.insert(contentsOf: header, at: l3 + 40)
            frame[l3 + 6] = 44
            write(value(at: l3 + 4, frame) + 8, at: l3 + 4, &frame)
        }
        write(offset << 3 | (more ? 1 : 0), at: l3 + 42, &frame)
        if random.once(in: 2) {
            trim(&frame, to: l3 + 48, &random) { frame, end in write(end - l3 - 40, at: l3 + 4, &frame) }
        }
    }

    /// Cuts the data behind `start` to a multiple of eight bytes, and lets `note` write where it ends.
    private func trim(
        _ frame: inout [UInt8], to start: Int, _ random: inout RandomNumbers, _ note: (inout [UInt8], Int) -> Void
    ) {
        guard frame.count > start + 8 else { return }
        let units = random.number(1...(frame.count - start) / 8)
        note(&frame, start + min(units, random.number(1...8)) * 8)
    }

    private func changeTransport(_ frame: inout [UInt8], _ random: inout RandomNumbers) {
        let (l4, places) = (base.packet.l4Offset, [0, 1, 2, 3, 4, 5, 12, 13])
        let place = l4 + random.pick(places)
        if place < frame.count {
            frame[place] = random.once(in: 2) ? random.pick(Self.telling) : UInt8(random.number(0...255))
        }
    }

    /// The way back.
    private func reverse(_ frame: inout [UInt8]) {
        let (l3, l4, bytes) = (base.packet.l3Offset, base.packet.l4Offset, base.packet.family == .v4 ? 4 : 16)
        let first = l3 + (bytes == 4 ? 12 : 8)
        guard base.packet.family != nil, first + 2 * bytes <= frame.count else { return }
        for place in 0..<bytes { frame.swapAt(first + place, first + bytes + place) }
        guard base.packet.hasL4, l4 + 4 <= frame.count else { return }
        for place in 0..<2 { frame.swapAt(l4 + place, l4 + 2 + place) }
    }

    // MARK: Headers

    private func tag(_ frame: inout [UInt8], _ random: inout RandomNumbers) {
        if random.once(in: 3), base.packet.vlanTags > 0, frame.count >= 18 {
            frame.removeSubrange(12..<16)
            return
        }
        for _ in 0..<random.pick([1, 1, 1, 2, 3]) {
            let id = random.pick([0, 1, 10, 20, 100, 4095])
            let type: [UInt8] = random.pick([[0x81, 0], [0x81, 0], [0x88, 0xa8], [0x91, 0]])
            frame.insert(
                contentsOf: type + [UInt8(random.number(0...15)) << 4 | UInt8(id >> 8), UInt8(id & 255)], at: 12)
        }
    }

    /// The front of this frame and the rest of another, cut at the same layer or not.
    private func splice(_ frame: inout [UInt8], _ random: inout RandomNumbers) {
        let other = random.pick(corpus.members)
        func cut(_ packet: Packet) -> Int {
            random.pick([12, packet.l3Offset, packet.l3Offset, packet.l4Offset, packet.l4Offset])
        }
        let front = min(cut(base.packet), frame.count)
        frame = Array(frame.prefix(front)) + other.frame.dropFirst(cut(other.packet))
        if frame.count < 14 { frame += [UInt8](repeating: 0, count: 14 - frame.count) }
    }

    /// One or more extension headers behind the IP header, lengths told or not.
    private func putIn(_ frame: inout [UInt8], _ random: inout RandomNumbers) {
        let l3 = base.packet.l3Offset
        let isV4 = base.packet.family == .v4
        let start = l3 + (isV4 ? 20 : 40)
        let next = l3 + (isV4 ? 9 : 6)
        let length = l3 + (isV4 ? 2 : 4)
        guard base.packet.family != nil, start < frame.count else { return }
        for _ in 0..<random.pick([1, 1, 1, 2, 8, 9]) {
            let number: UInt8 = isV4 ? 51 : random.pick([0, 43, 44, 51, 60, 60])
            let words = UInt8(random.pick([0, 0, 1, 2, 4]))
            let bytes = number == 51 ? (Int(words) + 2) * 4 : number == 44 ? 8 : (Int(words) + 1) * 8
            var header = [frame[next], words] + [UInt8](repeating: 0, count: max(bytes, 8) - 2)
            if number == 43 {
                header[2] = random.pick([0, 2, 4])
                header[3] = random.pick([0, 0, 1])
            }
            frame.insert(contentsOf: header.prefix(bytes), at: start)
            frame[next] = number
            if !random.once(in: 6) { write(value(at: length, frame) + bytes, at: length, &frame) }
        }
    }

    /// An ICMP error that quotes a packet of the corpus.
    private func quote(_ frame: inout [UInt8], _ random: inout RandomNumbers) {
        let quoted = random.once(in: 2) ? base : random.pick(corpus.members)
        let l3 = base.packet.l3Offset
        let header = base.packet.family == .v4 ? 20 : 40
        guard base.packet.family != nil, quoted.packet.family == base.packet.family, frame.count >= l3 + header else {
            return
        }
        let type: UInt8 = header == 20 ? random.pick([3, 3, 11, 12, 5]) : random.pick([1, 2, 3, 4, 137])
        let body = quoted.frame.dropFirst(quoted.packet.l3Offset).prefix(random.pick([20, 28, 40, 48, 60, 200]))
        frame = Array(frame.prefix(l3 + header)) + [type, random.pick([0, 1, 4]), 0, 0, 0, 0, 0, 0] + body
        frame[l3 + (header == 20 ? 9 : 6)] = header == 20 ? 1 : 58
        if header == 20 {
            frame[l3] = 0x45
            write(0, at: l3 + 6, &frame)
        }
        write(frame.count - l3 - (header == 20 ? 0 : 40), at: l3 + (header == 20 ? 2 : 4), &frame)
        // Most errors go to who sent what they quote.
        if random.once(in: 6) { return }
        let (from, to, bytes) = header == 20 ? (12, 16, 4) : (8, 24, 16)
        let start = l3 + header + 8
        guard frame.count >= start + from + bytes else { return }
        for place in 0..<bytes { frame[l3 + to + place] = frame[start + from + place] }
    }
}
