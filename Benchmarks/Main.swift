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

    @Flag(help: "Fewer sizes, fewer and shorter rounds: under three minutes.")
    var short = false

    @Flag(help: "One JSON document on standard output in place of the table.")
    var json = false

    @Option(help: ArgumentHelp("Rule sets to measure as well, in a folder `classbench` of this one.", valueName: "dir"))
    var corpora: String?

    @Option(help: ArgumentHelp("Only these sections, by their names.", valueName: "names"))
    var only: String?

    @Option(help: ArgumentHelp("Writes the plot of cost against rules to this file (SVG).", valueName: "file"))
    var plot: String?

    func validate() throws {
        if let unknown = sections.first(where: { !Benchmark.names.contains($0) }) {
            throw ValidationError("there is no section '\(unknown)': \(Benchmark.names.joined(separator: ", "))")
        }
    }

    private static let names = ["classification"]

    private var sections: [String] {
        only.map { $0.split(separator: ",").map(String.init) } ?? Benchmark.names
    }

    func run() throws {
        Interruption.watch()
        let settings = Settings(
            bulkhead: bulkhead, short: short, corpora: corpora, rounds: short ? 7 : 15,
            burstMilliseconds: short ? 15 : 30)
        var report = Report()
        report.kernel = try readFile("/proc/sys/kernel/osrelease").trimmingCharacters(in: .whitespacesAndNewlines)
        report.processors = ProcessInfo.processInfo.activeProcessorCount
        report.short = short
        do {
            for name in sections { try measure(name, settings, &report) }
        } catch is Interruption {
            settings.say("interrupted")
            throw ExitCode(130)
        }
        print(json ? try report.json() : report.table())
        if let plot { try Plot(report).svg.write(toFile: plot, atomically: true, encoding: .utf8) }
    }

    /// A section's lab goes before the next begins.
    private func measure(_ name: String, _ settings: Settings, _ report: inout Report) throws {
        let lab = try Lab()
        switch name {
        default: try Classification(settings: settings, lab: lab).run(&report)
        }
    }
}
