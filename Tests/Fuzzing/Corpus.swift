// SPDX-License-Identifier: Apache-2.0
import Capture
import Compiler
import Foundation
import Policy
import Reference
import TestSupport
import Wire

/// The frames that mutation starts from, and what the parser makes of them.
public struct Corpus: Sendable {
    struct Member: Sendable {
        var frame: [UInt8]
        var originalLength: Int
        var packet: Packet
    }

    let members: [Member]

    public var count: Int { members.count }

    private init(_ frames: [(bytes: [UInt8], originalLength: Int)]) {
        members = frames.map { frame in
            Member(
                frame: frame.bytes, originalLength: frame.originalLength,
                packet: PacketParser.parse(frame.bytes, frameLength: frame.originalLength))
        }
    }

    /// The Ethernet frames of all captures in a folder.
    public init(capturesIn folder: String) throws {
        var frames: [(bytes: [UInt8], originalLength: Int)] = []
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
        for name in names.sorted() where name.hasSuffix(".pcap") || name.hasSuffix(".pcapng") {
            var reader = try CaptureReader(path: "\(folder)/\(name)")
            while let frame = try reader.next() {
                if frame.linkType == CapturedFrame.ethernet { frames.append((frame.bytes, frame.originalLength)) }
            }
        }
        self.init(frames)
    }

    /// Frames that are made up: near the boundaries of some random policies.
    public init(madeUpFrom seed: UInt64) {
        var frames: [(bytes: [UInt8], originalLength: Int)] = []
        for number in 0..<20 {
            var source = BoundaryFrames(RandomPolicy(seed: seed &+ UInt64(number)).ruleset, seed: seed)
            for _ in 0..<100 {
                let frame = source.next().frame.bytes
                if frame.count >= 14 { frames.append((frame, frame.count)) }
            }
        }
        self.init(frames)
    }
}
