// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Rendering

struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Write a first policy for this host.",
        discussion: """
            Looks at the host's devices, at what listens, raw sockets among it, and at the connections of TCP and \
            conversations of UDP that are open, and prints a policy that cuts none of them: what listens may be \
            reached by anybody, each rule with a comment that says why. Ports of guests are open, because nobody here \
            knows what they serve. For three hours, a connection that was silent is taken over when it is heard of, \
            as long as no other policy comes. Read it and narrow it before you apply it. Changes nothing. Without the \
            right to look at other users' processes, their programs have no names.

            Connections to addresses that NAT sends on to others are not seen: if this host forwards packets, a rule \
            accepts what is not for itself, and ports that NAT publishes must be added by hand.

            Example:
              bulkhead init > policy.yaml
              bulkhead check --strict policy.yaml
            """)

    func run() throws { try StandardOutput.write(Words(lines: FirstPolicy.ofThisHost().text)) }
}
