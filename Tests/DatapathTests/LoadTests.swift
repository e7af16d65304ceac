// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Foundation
import Libbpf
import TestSupport
import Testing

@testable import Datapath

/// This kernel's verifier accepts every program. If not, its whole log is kept under `.build/verifier/`.
@Suite struct LoadTests {
    private static let folder = URL(filePath: ".build/verifier")

    /// As on a host with the newest kernel features that this one has.
    static let settings = bh_settings(
        ticks_per_second: 250, answer_mark: 1, answer_cost: UInt32(BH_ANSWER_COST), answers_all: 0,
        flow_secret: (1, 2), simulates: 0, reads_kernel: KernelReading.obstacle == nil ? 1 : 0,
        casts_context: KernelFunctions.castsContext, answer_blocks: 64)

    /// Writes the log of a refused program to a file, and returns the path with the last lines.
    static func keep(_ error: BPFError) throws -> Comment {
        try FileManager.default.createDirectory(at: LoadTests.folder, withIntermediateDirectories: true)
        let file = LoadTests.folder.appending(path: "\(error.object).log")
        try error.log.write(to: file, atomically: true, encoding: .utf8)
        let tail = error.log.split(separator: "\n").suffix(30).joined(separator: "\n")
        return "\(error)\n\(error.messages)\nThe whole log is in \(file.path()); its end:\n\(tail)"
    }

    @Test(arguments: ["entry", "tc", "xdp", "unattached", "shadow_tc", "shadow_xdp"]) func loads(_ name: String) throws
    {
        _ = try Lab()
        let embedded = try #require(
            [
                Programs.entry, Programs.tc, Programs.xdp, Programs.unattached, Programs.shadowTC, Programs.shadowXDP,
            ].first { $0.name == name })
        let object = try Object(embedded.bytes, name: name)
        let names = object.programs
        #expect(!names.isEmpty)
        // All that the programs can do is verified.
        if name.hasSuffix("tc") || name.hasSuffix("xdp") { try object.setReadOnlyData(LoadTests.settings) }
        do {
            let loaded = try object.load()
            for program in names {
                let info = try loaded.program(program).info
                print("\(program): \(info.instructions) instructions, \(info.verified) verified")
                // 7.2 counts half more than 6.18; what is left is for other kernels and compilers.
                #expect(info.verified < 700_000, "\(program) is near the verifier's limit of a million")
            }
        } catch {
            Issue.record(try LoadTests.keep(error))
        }
    }

    /// The error names the refused program and has the verifier's whole log.
    @Test func aRefusalIsExplained() throws {
        _ = try Lab()
        // The entry object has no read-only data that could be refused, so its maps are made unfit: the program reads a
        // value of 128 bytes from a map of four.
        let object = try Object(Programs.entry.bytes, name: "entry")
        let small = try Map(type: .init(6), name: "scratch", valueSize: 4, maxEntries: 1)
        try object.reuse(small, as: "scratch")
        do {
            _ = try object.load()
            Issue.record("the program was not refused")
        } catch {
            #expect(error.object.hasPrefix("entry_"))
            #expect(error.operation == "load program")
            #expect(error.log.contains("processed"))
            #expect(
                error.verifierSummary?.contains("outside of the allowed memory range") == true,
                "\(error.verifierSummary ?? "")")
        }
    }

    @Test func anObjectThatIsNoneIsRefused() throws {
        #expect(throws: BPFError.self) { _ = try Object([1, 2, 3], name: "junk") }
    }
}
