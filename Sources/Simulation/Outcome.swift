// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Datapath
import Libbpf
import Policy
import Wire

extension Simulator {
    /// What a program said of a frame.
    public struct Outcome: Sendable, Hashable {
        public var verdict: Action
        /// nil: the XDP program passed the frame on to tc, and decided nothing.
        public var reason: Reason?
        /// The rule that decided, if one did. Only frames that were judged before have used its limit.
        public var decided: ImageView.RuleRecord?
        /// The rules that the packet met ahead of what decided, and that left it to later ones, in order.
        public var tried: [TriedRule] = []
        /// The rule's line, the default's, or else the port's.
        public var source: SourceLocation?
        public var generation: UInt32
        public var direction: Direction
        /// What the program returned to the kernel.
        public var returned: UInt32
        /// What the parser made of the frame.
        public var packet: Packet
        /// The answer to a rejected packet, if there is one.
        public var answer: [UInt8]?

        /// The number of the policy's rule that decided, from 0.
        public var rule: Int? { decided?.number }
        public var ruleName: String? { decided?.name }
    }
}

extension Simulator.Outcome {
    /// `TC_ACT_REDIRECT`: the frame has become an answer.
    private static let redirect: UInt32 = 7

    init(_ scratch: bh_scratch, _ run: Program.Run, _ view: ImageView) {
        let judgement = scratch.judgement
        let reason = Reason(judgement.reason)
        let direction: Direction = judgement.direction == BH_IN.rawValue ? .in : .out
        let place = view.source(of: judgement)
        self.init(
            verdict: Action(judgement.verdict) ?? .accept, reason: reason, decided: place.rule,
            tried: TriedRule.all(in: scratch, view), source: place.location,
            generation: judgement.generation, direction: direction, returned: run.result,
            packet: Packet(scratch.packet), answer: run.result == Simulator.Outcome.redirect ? run.output : nil)
    }
}
