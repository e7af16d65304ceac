// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Foundation

/// Makes large policies and measures what compiling and loading them takes:
///   workload write NAME FOLDER [--interface NAME] [--corpora FOLDER]
///   workload compile [NAME ...] [--rounds N] [--corpora FOLDER]
///   workload hostile: what a packet costs under policies made to be hostile to bitmaps, the run of the test included
///   workload tables [NAME ...] [--corpora FOLDER]: what the tables of each image take
///   workload lint [NAME ...] [--corpora FOLDER]
struct Options {
    var words: [String] = []
    var corpora = ProcessInfo.processInfo.environment["BULKHEAD_CORPORA"]
    var interface = "eth0"
    var rounds = 5

    init(_ arguments: [String]) throws {
        var rest = arguments[...]
        while let word = rest.popFirst() {
            guard word.hasPrefix("--") else {
                words.append(word)
                continue
            }
            guard let value = rest.popFirst() else { throw Failure("\(word) needs a value") }
            switch word {
            case "--corpora": corpora = value
            case "--interface": interface = value
            case "--rounds": rounds = Int(value) ?? rounds
            default: throw Failure("unknown option: \(word)")
            }
        }
    }
}

do {
    let options = try Options(Array(CommandLine.arguments.dropFirst()))
    switch options.words.first {
    case "write" where options.words.count == 3:
        try Workload(options.words[1], corpora: options.corpora).write(
            to: options.words[2], interface: options.interface)
    case "compile" where options.words.count > 1:
        print(Figures.heading)
        for name in options.words.dropFirst() {
            print(try Figures(name, options).row)
        }
    case "hostile": print(try HostilePolicy.table(), terminator: "")
    case "tables" where options.words.count > 1:
        for name in options.words.dropFirst() { print(try TableSizes(name, options).lines(), terminator: "") }
    case "lint" where options.words.count > 1:
        print(LintFigures.heading)
        for name in options.words.dropFirst() { print(try LintFigures(name, options).row) }
    default:
        throw Failure(
            "usage: workload write NAME FOLDER | workload compile NAME ... | workload tables NAME ... | "
                + "workload lint NAME ... | workload hostile; the names are:\n\(Workload.names)")
    }
} catch {
    FileHandle.standardError.write(Data("\(error)\n".utf8))
    exit(1)
}
