// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control

/// A command's page in Markdown, made of its help and its notes.
struct CommandPage: Sendable {
    let help: CommandHelp
    let notes: CommandNotes

    /// The pages of a command, which is the index, and of all commands below it.
    static func all(of root: any ParsableCommand.Type) throws -> [CommandPage] {
        try CommandHelp.read(of: root).all.map { help in
            guard let notes = CommandNotes.byCommand[help.name] else {
                throw Refusal("bulkhead \(help.name) has no notes", advice: "write them in NotesByCommand.swift")
            }
            return CommandPage(help: help, notes: notes)
        }
    }

    /// Its file, in the folder of all pages.
    var file: String { CommandPage.file(help.name) }

    private static func file(_ name: String) -> String {
        name.isEmpty ? "README.md" : "bulkhead-\(name.replacing(" ", with: "-")).md"
    }

    private var title: String { help.name.isEmpty ? "bulkhead" : "bulkhead \(help.name)" }

    var text: String {
        let sections: [(heading: String, body: String)] = [
            ("Synopsis", synopsis), ("Description", CommandPage.paragraphs(help.description)), ("Commands", commands),
            ("Arguments", list(of: help.shown.filter { $0.kind == .positional })),
            ("Options", list(of: help.shown.filter { $0.kind != .positional })),
            ("Exit status", exits), ("Files", files), ("Examples", examples), ("See also", related),
        ]
        let head = """
            <!-- Written by Scripts/pages from the command's own help: change that, and run it again. -->

            # \(title)

            \(CommandPage.escaped(help.abstract ?? ""))

            """
        return sections.filter { !$0.body.isEmpty }.reduce(head) { $0 + "\n## \($1.heading)\n\n\($1.body)\n" }
    }

    private var synopsis: String {
        let words = help.shown.map { argument in
            let value = argument.valueName?.uppercased() ?? ""
            let name = argument.preferredName?.written ?? ""
            let word =
                switch argument.kind {
                case .positional: argument.isRepeating ? "\(value) ..." : value
                case .option: "\(name) \(value)"
                case .flag: name
                }
            let repeated = argument.isRepeating && argument.kind != .positional ? " ..." : ""
            return argument.isOptional ? "[\(word)]\(repeated)" : word
        }
        let start = help.visible.isEmpty ? [title] : ["\(title) COMMAND"]
        return "```\n\(CommandPage.wrapped(start + words, width: 79, indent: "    "))\n```"
    }

    /// Words in lines, those after the first set in.
    private static func wrapped(_ words: [String], width: Int, indent: String) -> String {
        var lines: [String] = []
        for word in words {
            if let last = lines.last, last.count + word.count < width {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append(lines.isEmpty ? word : indent + word)
            }
        }
        return lines.joined(separator: "\n")
    }

    /// Paragraphs in lines that an editor shows whole.
    private static func paragraphs(_ text: String, indent: String = "") -> String {
        text.split(separator: "\n\n").map { paragraph in
            wrapped(paragraph.split(separator: " ").map(String.init), width: 118, indent: indent)
        }.joined(separator: "\n\n")
    }

    private var commands: String {
        guard !help.visible.isEmpty else { return "" }
        let rows = help.visible.map {
            "| [\($0.name)](\(CommandPage.file($0.name))) | \(CommandPage.escaped($0.abstract ?? "")) |"
        }
        return (["| command | does |", "| --- | --- |"] + rows).joined(separator: "\n")
    }

    private func list(of arguments: [CommandHelp.Argument]) -> String {
        arguments.map { argument in
            let value = argument.valueName?.uppercased() ?? ""
            let names = (argument.names ?? []).map(\.written).joined(separator: ", ")
            let term =
                switch argument.kind {
                case .positional: value
                case .option: "\(names) \(value)"
                case .flag: names
                }
            var text = CommandPage.escaped(argument.abstract ?? "")
            if let values = argument.allValues, !values.isEmpty {
                text += " One of " + values.map { "`\($0)`" }.joined(separator: ", ") + "."
            }
            if let value = argument.defaultValue, argument.kind != .flag { text += " Default: `\(value)`." }
            return CommandPage.paragraphs("- `\(term)`: \(text)", indent: "  ")
        }.joined(separator: "\n")
    }

    private var exits: String {
        "| status | means |\n| --- | --- |\n"
            + notes.exits.map { "| \($0.status.rawValue) | \($0.meaning) |" }.joined(separator: "\n")
    }

    private var files: String {
        notes.files.map { CommandPage.paragraphs("- `\($0.path)`: \($0.purpose)", indent: "  ") }.joined(
            separator: "\n")
    }

    private var examples: String {
        help.examples.isEmpty ? "" : "```sh\n\(help.examples.joined(separator: "\n"))\n```"
    }

    private var related: String {
        let pages = (help.name.isEmpty ? [] : [""]) + notes.related
        let commands = pages.map {
            "[bulkhead\($0.isEmpty ? "" : " \($0)")](\(CommandPage.file($0)))"
        }
        let links = commands + notes.reading.map { "[\($0.title)](../\($0.path))" }
        return CommandPage.wrapped(
            links.dropLast().map { $0 + "," } + links.suffix(1), width: 118, indent: "")
    }

    /// Angle brackets as the reader of Markdown shows them.
    private static func escaped(_ text: String) -> String { text.replacing("<", with: "&lt;") }
}
