// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering

/// `--instance`: which installation of several on one host.
struct InstanceOptions: ParsableArguments {
    @Option(
        name: .customLong("instance"),
        help: ArgumentHelp("Which of several installations on this host is meant.", valueName: "name"))
    var name = Controller.standardInstance

    func validate() throws {
        do {
            _ = try Controller(instance: name)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    var controller: Controller { get throws { try Controller(instance: name) } }
}

/// `--json`: output for machines instead of text.
struct OutputOptions: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Write JSON to standard output instead of text.")
    var isJSON = false

    /// Shows a result in the form that was asked for.
    func show(_ json: @autoclosure () -> JSON, or words: @autoclosure () -> Words) throws {
        if isJSON { try StandardOutput.line(json()) } else { try StandardOutput.write(words()) }
    }
}

/// The policy file that `check` and `apply` read if none is named.
let standardPolicyPath = "/etc/bulkhead/policy.yaml"
