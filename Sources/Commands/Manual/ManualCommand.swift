// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import FoundationEssentials

/// Writes the pages of `docs/commands`, for a command and those below it. No help names it, because it is for those who
/// build Bulkhead.
struct ManualCommand<Root: ParsableCommand>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "manual", abstract: "Write a page for each command into a folder.", shouldDisplay: false)
    }

    @Argument(help: "The folder.")
    var folder: String

    func run() throws {
        for page in try CommandPage.all(of: Root.self) {
            let path = "\(folder)/\(page.file)"
            do {
                try Data(page.text.utf8).write(to: URL(filePath: path))
            } catch {
                throw Refusal("\(path) cannot be written: \(error)")
            }
        }
    }
}
