// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Policy
import Rendering

struct SchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Print the JSON Schema of policies.",
        discussion: """
            Editors that know it complete keys and words and mark mistakes while a policy is written. It says what the \
            parser reads: keys, kinds of values, words. What names mean, `bulkhead check` tells.

            A first line such as `# yaml-language-server: $schema=policy.schema.json` names it to them.

            Example:
              bulkhead schema > policy.schema.json
            """)

    func run() throws { try StandardOutput.write(Words(verbatim: PolicySchema.text)) }
}
