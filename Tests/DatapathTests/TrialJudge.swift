// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Control
import Foundation
import Glibc
import Host
import Libbpf
import Network
import TestSupport
import Testing

@testable import Datapath

/// Runs a tc program over an instance's own maps; for one thread at a time.
final class TrialJudge: @unchecked Sendable {
    struct Said: Equatable {
        var generation: UInt32
        var accepts: Bool
        var reason: UInt32 = 0

        static func == (left: Said, right: Said) -> Bool {
            left.generation == right.generation && left.accepts == right.accepts
        }
    }

    private let program: Program
    private let map: Map
    private let scratch: PerCPUValues<bh_scratch>

    init(_ instance: Instance, _ hook: HookName = .tcIngress) throws {
        let maps = try instance.openMaps()
        let program = try maps.loadProgram(hook, .simulated)
        let scratch = try PerCPUValues(maps[.scratch], repeating: bh_scratch())
        self.program = program
        self.scratch = scratch
        map = maps[.scratch]
    }

    func judge(_ device: UInt16, _ frame: Frame) throws -> Said {
        var input = bh_scratch()
        input.device = UInt32(device)
        input.frame_length = UInt32(frame.bytes.count)
        input.now = KernelClock.nanoseconds(CLOCK_BOOTTIME)
        // To find the CPU that the program ran on.
        input.judgement.verdict = BH_NONE
        try scratch.store(input, in: map, at: 0)
        _ = try program.testRun(frame: frame.bytes)
        try scratch.load(from: map, at: 0)
        let found = try #require(scratch.first { $0.judgement.verdict != BH_NONE }).judgement
        return Said(
            generation: found.generation, accepts: found.verdict == BH_ACCEPT.rawValue, reason: UInt32(found.reason))
    }
}
