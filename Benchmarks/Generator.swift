// SPDX-License-Identifier: Apache-2.0
import CBenchmark
import Libbpf
import Network
import TestSupport

/// Frames to be sent again and again, in an order that does not follow the rules'.
struct Trace: Sendable {
    static let length = 8192
    static let frameSize = 64

    var frames: [Frame]

    /// Takes as many of the frames as a trace has, shuffled; repeats them where they are too few.
    init(_ frames: [Frame]) throws(Failure) {
        guard !frames.isEmpty else { throw Failure("there is no packet to make a trace of") }
        var random = RandomNumbers(seed: 1)
        let shuffled = frames.shuffled(using: &random)
        self.frames = (0..<Trace.length).map { shuffled[$0 % shuffled.count] }
    }
}

/// What the generator changes in each frame.
enum Forging: UInt32 {
    case nothing
    /// The last bits of a source of 198.18.0.0/15.
    case hosts
    /// The whole source of IPv4, the first 64 bits of that of IPv6: random numbers.
    case sources
}

/// What a burst came to.
struct Burst {
    /// A frame, from its making to its end at the receiver.
    var nanoseconds: Double
    var sent: Int
    var arrived: Int
}

/// Sends a trace's frames from the generator's namespace. Sender and receiver share a CPU, so that a burst's time is
/// the work of both.
final class Generator: Sendable {
    private let program: Program
    private let control: Map
    private let namespace: Namespace

    /// Value of map `control`.
    private struct Control: BitwiseCopyable {
        var target: UInt32
        var next: UInt32 = 0
        var forge: UInt32 = 0
        var serial: UInt32 = 0
        var spread: UInt32 = 1
    }

    /// - Parameter forging: what gives each frame a source of its own; see the program.
    init(_ trace: Trace, in namespace: Namespace, forging: Forging = .nothing) throws {
        let object = try Object(EmbeddedObject.traffic.bytes, name: EmbeddedObject.traffic.name)
        object.select(programs: ["generate"])
        let loaded = try object.load()
        program = try loaded.program("generate")
        control = try loaded.map("control")
        self.namespace = namespace
        let frames = try loaded.map("frames")
        for (index, frame) in trace.frames.enumerated() {
            try frames.update(UInt32(index), to: Generator.words(frame))
        }
        try control.update(0, to: Control(target: 0, forge: forging.rawValue, serial: 1))
    }

    private typealias Words = (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)

    private static func words(_ frame: Frame) -> Words {
        let bytes = frame.padded(to: Trace.frameSize).bytes
        let words = (0..<8).map { word in
            (0..<8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64(bytes[word * 8 + $1]) }
        }
        return (words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7])
    }

    /// Sends the next `count` frames to a place; what it cannot take in time is lost, so what arrived is counted.
    ///
    /// - Parameter alone: keeps other threads off the CPU meanwhile.
    func send(_ count: Int, to place: Place, alone: Bool = true) throws -> Burst {
        guard var control = try self.control.lookup(0, as: Control.self) else { throw Failure("no control") }
        control.target = place.source
        control.spread = UInt32(place.count)
        try self.control.update(0, to: control)
        let blank = [UInt8](repeating: 0, count: Trace.frameSize)
        let before = try place.received
        let time = try namespace.inside {
            // Where the system does not give us the CPU alone, the figures are only noisier.
            if alone { _ = bench_begin_burst(0) }
            defer { if alone { bench_end_burst() } }
            return try program.send(frame: blank, count: UInt32(count))
        }
        let arrived = try place.received - before
        return Burst(nanoseconds: Double(time), sent: count, arrived: arrived)
    }
}
