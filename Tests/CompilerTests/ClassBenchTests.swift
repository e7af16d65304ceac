import Compiler
import Foundation
import Policy
import TestSupport
import Testing

/// Public filter sets: every TCP and UDP probe gets its first match through the image.
@Suite(.enabled(if: ClassBench.folder != nil, "BULKHEAD_CORPORA names the folder of the corpora"))
struct ClassBenchTests {
    /// BULKHEAD_CLASSBENCH names more sets, separated by spaces.
    private static let sets =
        ["acl1_1k", "fw1_1k", "ipc1_1k"]
        + (ProcessInfo.processInfo.environment["BULKHEAD_CLASSBENCH"]?.split(separator: " ").map(String.init) ?? [])

    @Test(arguments: sets) func everyProbeGetsItsFirstMatch(set: String) throws {
        let bench = try ClassBench(set, from: try #require(ClassBench.folder))
        let clock = ContinuousClock()
        var compiled: Image?
        let time = try clock.measure { compiled = try Compiler().compile(bench.ruleset) }
        let image = try #require(compiled)
        let view = try ImageView(image.bytes)
        let record = image.portRecord(entry: 0, protects: .host)
        for probe in bench.probes {
            let bytes = probe.frame.bytes
            let packet = PacketParser.parse(bytes, frameLength: bytes.count)
            let judgement = view.judge(packet: packet, portRecord: record, direction: .in)
            try #require(judgement.rule == probe.firstMatch, "\(set): \(probe)")
        }
        #expect(!bench.probes.isEmpty)
        let statistics = image.statistics
        print(
            "\(set): \(statistics.rules) rules, \(statistics.cells) cells (\(statistics.cells * 100 / statistics.rules) %), "
                + "\(statistics.addressClasses) address classes, \(statistics.nodes) nodes, "
                + "\(statistics.services) services, \(statistics.jointClasses) joint classes, "
                + "\(statistics.lists) lists, \(statistics.longLists) long, \(image.bytes.count) bytes, \(time)")
    }
}
