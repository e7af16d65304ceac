// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Foundation
import Simulation

/// What a workload compiles to, and how long that and loading it take: medians, of this process's own time on a
/// processor, for other work on the machine must not count.
struct Figures {
    static let heading =
        "| set | rules | cells | a rule | image MiB | compile ms | load ms |\n"
        + "| --- | --- | --- | --- | --- | --- | --- |"

    private let name: String
    private let statistics: Image.Statistics
    private let bytes: Int
    private let compiling: [Double]
    private let loading: [Double]

    init(_ name: String, _ options: Options) throws {
        self.name = name
        let ruleset = try Workload(name, corpora: options.corpora).ruleset()
        var compiling: [Double] = []
        var image: Image?
        for _ in 0..<options.rounds {
            let start = Figures.processorMilliseconds()
            image = try Compiler().compile(ruleset)
            compiling.append(Figures.processorMilliseconds() - start)
        }
        guard let image else { throw Failure("no rounds") }
        let simulator = try Simulator(image: image)
        self.loading = try (0..<options.rounds).map { _ in
            let start = Figures.processorMilliseconds()
            try simulator.use(image)
            return Figures.processorMilliseconds() - start
        }
        self.compiling = compiling
        statistics = image.statistics
        bytes = image.bytes.count
    }

    private static func processorMilliseconds() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
    }

    private static func median(_ figures: [Double]) -> Double { figures.sorted()[figures.count / 2] }

    var row: String {
        func decimal(_ figure: Double, _ digits: Int = 1) -> String { String(format: "%.\(digits)f", figure) }
        let cells = Double(statistics.cells) / Double(max(statistics.rules, 1))
        return "| \(name) | \(statistics.rules) | \(statistics.cells) | \(decimal(cells, 2)) | "
            + "\(decimal(Double(bytes) / 1_048_576)) | "
            + "\(decimal(Figures.median(compiling))) | \(decimal(Figures.median(loading))) |"
    }
}

/// What the tables of a workload's image take.
struct TableSizes {
    private let name: String
    private let image: Image

    init(_ name: String, _ options: Options) throws {
        self.name = name
        image = try Compiler().compile(try Workload(name, corpora: options.corpora).ruleset())
    }

    func lines() throws -> String {
        let figures = image.statistics
        let sizes = try ImageView(image.bytes).sizes.filter { $0.bytes >= 1 << 16 }
        return "\(name): \(figures.rules) rules, \(figures.cells) cells, \(figures.jointClasses) joint classes, "
            + "\(figures.lists) lists, \(figures.longLists) of them long, \(figures.bitmapItems) items\n"
            + sizes.map { String(format: "%8.2f MiB  ", Double($0.bytes) / 1_048_576) + $0.name + "\n" }.joined()
    }
}
