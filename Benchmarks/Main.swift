// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import TestSupport

/// The program behind Scripts/bench.
@main struct Benchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark",
        abstract: "Measures Bulkhead beside the bare program, nft, iptables and xdp-filter.",
        discussion: """
            Makes network namespaces of its own and removes them. docs/performance.md says what is measured, and how.

            Example:
              Scripts/bench --short
            """)

    @Option(help: "The bulkhead executable to measure.")
    var bulkhead: String

    @Flag(help: "Fewer sizes, fewer and shorter rounds: under six minutes.")
    var short = false

    @Flag(help: "One JSON document on standard output in place of the table.")
    var json = false

    @Option(help: ArgumentHelp("Rule sets to measure as well, in a folder `classbench` of this one.", valueName: "dir"))
    var corpora: String?

    @Option(help: ArgumentHelp("Only these sections, by their names.", valueName: "names"))
    var only: String?

    @Option(
        help: ArgumentHelp(
            "Writes plots of cost against rules to this folder: cost.svg, and random.svg of a flood.",
            valueName: "folder"))
    var plot: String?

    func validate() throws {
        let names = sections.map { $0.name }
        if let unknown = chosen?.first(where: { !names.contains($0) }) {
            throw ValidationError("there is no section '\(unknown)'; there are \(names.joined(separator: ", "))")
        }
    }

    private var chosen: [String]? { only?.split(separator: ",").map(String.init) }

    func run() throws {
        Interruption.watch()
        let settings = Settings(
            bulkhead: bulkhead, short: short, corpora: corpora, rounds: short ? 7 : 15,
            burstMilliseconds: short ? 15 : 30, stretch: short ? 0.2 : 0.5)
        var report = Report()
        report.kernel = try readFile("/proc/sys/kernel/osrelease").trimmingCharacters(in: .whitespacesAndNewlines)
        report.processors = ProcessInfo.processInfo.activeProcessorCount
        report.short = short
        do {
            for section in sections where chosen?.contains(section.name) ?? true {
                // A section's lab goes before the next begins.
                try section.init(settings: settings, lab: try Lab()).run(&report)
            }
        } catch is Interruption {
            settings.say("interrupted")
            throw ExitCode(130)
        }
        print(json ? try report.json() : report.table())
        guard let plot else { return }
        for (name, section) in [("cost", Classification.title), ("random", Floods.title)] {
            try Plot(report, section: section).svg
                .write(toFile: "\(plot)/\(name).svg", atomically: true, encoding: .utf8)
        }
    }
}
