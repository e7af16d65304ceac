// SPDX-License-Identifier: Apache-2.0
import Compiler
import Foundation
import Policy
import Reference
import TestSupport
import Testing

/// Public filter sets stay within the budget, and TCP and UDP probes find their first match through the image. The
/// kernel's tests ask about every probe.
@Suite(.enabled(if: ClassBench.folder != nil, "BULKHEAD_CORPORA names the folder of the corpora"))
struct ClassBenchTests {
    @Test(arguments: ClassBench.small + ["acl2_10k", "fw1_10k", "ipc1_10k"])
    func everyProbeGetsItsFirstMatch(set: String) throws {
        let bench = try ClassBench(set, from: try #require(ClassBench.folder))
        let image = try Compiler().compile(bench.ruleset)
        let view = try ImageView(image.bytes)
        let record = image.portRecord(entry: 0, protects: .host)
        #expect(bench.probes.count > 500)
        for probe in stride(from: 0, to: bench.probes.count, by: 5).map({ bench.probes[$0] }) {
            let bytes = probe.frame.bytes
            let packet = PacketParser.parse(bytes, frameLength: bytes.count)
            let judgement = view.judge(packet: packet, portRecord: record, direction: .in)
            try #require(judgement.rule == probe.firstMatch, "\(set): \(probe)")
        }
        let statistics = image.statistics
        #expect(statistics.cells <= 5 * statistics.rules)
        #expect(image.bytes.count < 16 << 20)
        print(
            "\(set): \(statistics.rules) rules, \(statistics.cells) cells, "
                + "\(statistics.addressClasses) address classes, \(statistics.nodes) nodes, "
                + "\(statistics.services) services, \(statistics.jointClasses) joint classes, "
                + "\(statistics.lists) lists, \(statistics.longLists) long, \(image.bytes.count) bytes")
    }
}
