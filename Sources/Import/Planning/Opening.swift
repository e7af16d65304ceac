// SPDX-License-Identifier: Apache-2.0
import Network

/// What a rule says of packets that open a connection, or belong to none.
struct Opening: Sendable {
    var step: Step
    var boxes: BoxList
    /// An accept that admits no answers.
    var isStateless = false

    /// ICMP messages that ask for an answer, as connection tracking knows them: echo, timestamps, information, masks.
    private static let requests = NumberSet([8, 13, 15, 17].map { Opening.codes($0) })
    /// Of ICMPv6: echo and node information.
    private static let requestsV6 = NumberSet([128, 139].map { Opening.codes($0) })
    /// Neighbour discovery and MLD, which are not tracked.
    private static let untrackedV6 = NumberSet(([130, 131, 132, 133, 134, 135, 136, 143] as [UInt16]).map(codes))
    /// Types that kernels disagree on.
    private static let doubtfulV6 = NumberSet(([137, 141, 142, 148, 149, 151, 152, 153] as [UInt16]).map(codes))

    /// Without SCTP and DCCP, of which only some packets open a connection.
    static let surelyNew = Box.allProtocols.subtracting(NumberSet(numbers: [33, 132]))

    private static func codes(_ type: UInt16) -> ClosedRange<UInt16> { type << 8...type << 8 | 255 }

    /// nil if the step is about packets of open connections alone.
    init?(_ step: Step, _ family: AddressFamily) {
        let states = step.states.intersection(.openings)
        switch step.action {
        case .none, .layerEnd: return nil
        default: break
        }
        guard !states.isEmpty else { return nil }
        self.step = step
        boxes = step.boxes
        if states == .openings { return }
        let doubtful: NumberSet =
            step.action == .accept
            ? (states.contains([.invalid, .untracked]) ? Opening.doubtfulV6 : .none) : Opening.doubtfulV6
        var asked = Box()
        asked.messages = .none
        asked.messagesV6 = .none
        if states.contains(.new) {
            asked.messages = Opening.requests
            asked.messagesV6 = Opening.requestsV6
        } else {
            asked.protocols = family == .v4 ? Box.icmp : Box.icmpV6
        }
        if step.action == .accept, !states.contains(.invalid),
            boxes.boxes.allSatisfy({ $0.protocols == Box.allProtocols })
        {
            asked.protocols = Opening.surelyNew
        }
        if states.contains(.untracked) { asked.messagesV6 = asked.messagesV6.union(Opening.untrackedV6) }
        if states.contains(.invalid) {
            asked.messages = asked.messages.union(Opening.requests.complement)
            let tracked = Opening.requestsV6.union(Opening.untrackedV6).union(Opening.doubtfulV6)
            asked.messagesV6 = asked.messagesV6.union(tracked.complement)
        }
        asked.messagesV6 = asked.messagesV6.union(doubtful)
        boxes = boxes.intersection(BoxList(boxes: [asked])) ?? .none
        if boxes.isEmpty, step.unsaid.isEmpty { return nil }
    }

    /// What a step about invalid packets may drop of SCTP and DCCP. Which of these packets open a connection cannot be
    /// said.
    static func strays(_ step: Step) -> BoxList {
        guard step.isDrop, step.states.contains(.invalid), !step.states.contains(.new) else { return .none }
        let odd = Box(protocols: NumberSet(numbers: [33, 132]))
        return step.boxes.intersection(BoxList(boxes: [odd])) ?? BoxList(boxes: [odd])
    }

    init(_ step: Step, _ boxes: BoxList, isStateless: Bool) {
        self.step = step
        self.boxes = boxes
        self.isStateless = isStateless
    }
}
