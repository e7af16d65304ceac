// SPDX-License-Identifier: Apache-2.0
import Network

/// Turns the steps of the hooks into a policy for the ports.
///
/// A port is crossed by what comes in and by what goes out. What comes in for the host itself passes the input's rules,
/// and what the host forwards passes those of forwarding, where it comes in. What goes out is the output's if the host
/// sent it; what is forwarded was judged when it came in.
struct FilterPlan {
    private let systems: [AddressFamily: FilterSystem]
    private var plan: PolicyPlan
    private var hooks: [Hook: [AddressFamily: HookPlan]] = [:]
    /// The rules with limits that stand in the policy already.
    private var limits: Set<Origin> = []

    static func policy(
        _ systems: [AddressFamily: FilterSystem], _ ports: PortMap, title: String,
        notes: [ImportedPolicy.Note] = []
    ) throws(ImportError) -> ImportedPolicy {
        var maker = try FilterPlan(systems, ports, title)
        maker.plan.items += notes.map(PlannedItem.note)
        maker.makeHead()
        if maker.plan.isRouter { maker.planRouter() } else { maker.planHost() }
        return PolicyWriter.policy(maker.plan)
    }

    private init(
        _ systems: [AddressFamily: FilterSystem], _ ports: PortMap, _ title: String
    ) throws(ImportError) {
        self.systems = systems
        let devices = systems.values.first?.devices ?? DeviceNames([])
        plan = PolicyPlan(
            title: title, families: Set(systems.keys), devices: devices, ports: ports,
            sets: AddressFamily.allCases.flatMap { systems[$0]?.sets ?? [] })
        for (family, system) in systems {
            var steps: [Hook: [Step]] = [:]
            for hook in Hook.allCases {
                steps[hook] = StepJoining.joined(try ChainWalk.steps(system, hook, within: Box(.all(family))))
            }
            let answers: [Hook: Hook] = [.input: .output, .output: .input, .forward: .forward]
            for (hook, other) in answers {
                hooks[hook, default: [:]][family] = HookPlan(
                    hook, family, steps[hook] ?? [], answers: steps[other] ?? [], untracked: system.untracked)
            }
        }
        plan.isRouter = forwards.values.contains { $0.accepts || ($0.final == .accept && !$0.items.isEmpty) }
    }

    private var forwards: [AddressFamily: HookPlan] { hooks[.forward] ?? [:] }

    private var translations: [(AddressFamily, FilterSystem.Translation)] {
        AddressFamily.allCases.flatMap { family in (systems[family]?.translations ?? []).map { (family, $0) } }
    }

    // MARK: The head

    private mutating func makeHead() {
        if systems.count == 1, let family = systems.keys.first {
            let (own, other) = family == .v4 ? ("IPv4", "IPv6") : ("IPv6", "IPv4")
            plan.remarks.append(
                "The rules are those of \(own) alone. Where they name no address, \(other) is held to them too.")
        }
        if !plan.isRouter, forwards.values.contains(where: { $0.final == .accept }) {
            plan.remarks.append(
                "FORWARD has no rules and accepts all. This policy takes it that the host forwards nothing: what it"
                    + " does forward must pass the rules for what comes in.")
        }
        if !plan.isRouter, limitsInput, !knowsBroadcasts {
            plan.remarks.append(
                "Limits of rules for what comes in also count what this host would forward: --ports MAP can name the"
                    + " networks of the ports, so that it can be told what is for the host.")
        }
        var named = Set(plan.notes)
        for (_, translation) in translations {
            let origin = translation.origin
            let note = ImportedPolicy.Note(
                kind: .stays, file: origin.file, line: origin.line, words: "NAT: \(origin.shown)")
            // A rule of both families is named once.
            if named.insert(note).inserted { plan.notes.append(note) }
        }
        addTranslated()
    }

    /// What NAT sends elsewhere is judged here before it is: no rule of the original was asked about these
    /// addresses and ports. So nothing of it passes unless the user says so.
    private mutating func addTranslated() {
        for (_, translation) in translations where translation.kind == .destination {
            let mayPass = (Array((hooks[.input] ?? [:]).values) + Array(forwards.values)).contains { hook in
                hook.final == .accept
                    || hook.items.contains { item in
                        guard case .rule(let rule) = item, rule.action == .accept else { return false }
                        return translation.match.over.intersects(rule.box)
                    }
            }
            guard mayPass else { continue }
            let origin = translation.origin
            plan.items.append(
                .note(
                    .init(
                        kind: .leftOut, file: origin.file, line: origin.line,
                        words:
                            "\(origin.shown): NAT changes the destination after this policy; accept here what may come")
                )
            )
            for box in translation.match.over.merged.boxes {
                var rule = PlannedRule(box: box, hook: .input, action: .drop, fixedName: "translated")
                rule.origins = [origin]
                plan.items.append(.rule(rule))
            }
        }
    }

    // MARK: A host

    /// Whether the map says which networks all ports lead to, and with it what their broadcast addresses are.
    private var knowsBroadcasts: Bool {
        let ports = plan.ports.ports
        let named = plan.devices.names.dropFirst().map { ports[$0]?.networks }
        return !ports.isEmpty && (ports.values.map(\.networks) + named).allSatisfy { $0 != nil }
    }

    /// Whether a rule for what comes in has a limit.
    private var limitsInput: Bool {
        (hooks[.input] ?? [:]).values.contains { hook in
            hook.items.contains { item in
                guard case .rule(let rule) = item else { return false }
                return rule.limit != nil
            }
        }
    }

    /// The host forwards nothing: its rules need not ask whom a packet is for. Only those with a limit do, because
    /// the original counts nothing but what is for the host.
    private mutating func planHost() {
        let closed = AddressFamily.allCases.filter { forwards[$0].map { $0.final != .accept } ?? false }
        if !closed.isEmpty { plan.items += notes(.forward) + closed.map(noForwarding) }
        plan.defaultIn = finish(.input, isToLocal: false)
        plan.defaultOut = finish(.output, isToLocal: false)
    }

    /// What is forwarded leaves with a source that is not the host's. But NAT may give it one, and in IPv6 the kernel
    /// forwards also what comes in with a source of the host: then it is known by its destination, as it comes in.
    private func noForwarding(_ family: AddressFamily) -> PlannedItem {
        let isSourceChanged = translations.contains { $0.0 == family && $0.1.kind == .source }
        let isAtOutput = family == .v4 && !isSourceChanged
        let areAllClosed = forwards.values.allSatisfy { $0.final != .accept }
        var box = Box(isAtOutput && areAllClosed ? .all : .all(family))
        if isAtOutput {
            box.sourceEnds = .others
        } else {
            box.destinationEnds = .others
            box.destination = box.destination.subtracting(WellKnown.multicast).subtracting(WellKnown.broadcast)
                .subtracting(AddressSet(plan.ports.broadcasts.map { Prefix($0) }))
        }
        return .rule(
            PlannedRule(box: box, hook: isAtOutput ? .output : .input, action: .drop, fixedName: "no-forwarding"))
    }

    private func notes(_ hook: Hook) -> [PlannedItem] {
        AddressFamily.allCases.flatMap { hooks[hook]?[$0]?.items ?? [] }.filter { item in
            if case .note = item { true } else { false }
        }
    }

    /// Adds the rules of a hook. The result is what becomes of the rest.
    private mutating func finish(_ hook: Hook, isToLocal: Bool) -> String {
        let plans = hooks[hook] ?? [:]
        let items = FamilyMerge.merged(plans[.v4]?.items ?? [], plans[.v6]?.items ?? [], limits: &limits).map {
            item in
            guard case .rule(var rule) = item else { return item }
            rule.isToLocal = isToLocal || (hook == .input && rule.limit != nil && knowsBroadcasts)
            if hook == .output, plan.isRouter { rule.box.sourceEnds.formIntersection(.host) }
            return PlannedItem.rule(rule)
        }
        plan.items += items
        let finals = Set(plans.values.map(\.final))
        if finals.count == 1, let only = finals.first { return FilterPlan.word(only) }
        // The families end differently: what one accepts is a rule, and the rest is dropped.
        for (family, hookPlan) in plans where hookPlan.final == .accept {
            var rule = PlannedRule(box: Box(.all(family)), hook: hook, action: .accept)
            rule.isToLocal = isToLocal
            rule.fixedName = "\(FilterPlan.name(hook))-ip\(family.rawValue)"
            plan.items.append(.rule(rule))
        }
        return "drop"
    }

    private static func word(_ action: Step.Action) -> String {
        switch action {
        case .accept: "accept"
        case .reject: "reject"
        default: "drop"
        }
    }

    private static func name(_ hook: Hook) -> String {
        switch hook {
        case .input: "input"
        case .forward: "forward"
        case .output: "output"
        }
    }

    // MARK: A router

    /// Whether it is known which networks the devices lead to.
    private var hasNetworks: Bool {
        let names = plan.devices.names.dropFirst()
        return !names.isEmpty && names.allSatisfy { plan.ports.ports[$0]?.networks != nil }
    }

    /// First what is for the host, to its end, then what is forwarded: so the second need not ask whom a packet is for.
    private mutating func planRouter() {
        if !hasNetworks {
            plan.notes.append(
                .init(
                    kind: .leftOut, file: "", line: 0,
                    words: "the networks of the ports are not known: --ports MAP can name them. Without them nobody can"
                        + " tell what is for a network's broadcast address, and so for the host, from what is"
                        + " forwarded: in IPv4 only what goes to single addresses is forwarded"))
        }
        let input = finish(.input, isToLocal: true)
        addEnd(.input, input)
        let forward = finishForward()
        let output = finish(.output, isToLocal: false)
        addEnd(.output, output)
        plan.defaultIn = forward
        plan.defaultOut = "accept"
    }

    private mutating func addEnd(_ hook: Hook, _ word: String) {
        if hook == .output, word == "accept" { return }
        var rule = PlannedRule(
            box: Box(), hook: hook, action: word == "accept" ? .accept : word == "drop" ? .drop : .reject)
        rule.fixedName = "\(FilterPlan.name(hook))-rest"
        if hook == .input { rule.isToLocal = true } else { rule.box.sourceEnds = .host }
        plan.items.append(.rule(rule))
    }

    private mutating func finishForward() -> String {
        for (family, hookPlan) in forwards {
            if family == .v4, !hasNetworks, hookPlan.final == .accept { hooks[.forward]?[family]?.final = .drop }
            let items = hookPlan.items.flatMap { placed($0) }
            hooks[.forward]?[family]?.items = items
        }
        return finish(.forward, isToLocal: false)
    }

    /// The IPv4 addresses of a set that do not stand in it one by one.
    private static func many(_ set: AddressSet) -> AddressSet {
        AddressSet(set.prefixes.filter { $0.family == .v4 && $0.length < 32 })
    }

    /// A rule of forwarding, where the packet comes in: where it leaves follows from its destination.
    private func placed(_ item: PlannedItem) -> [PlannedItem] {
        guard case .rule(var rule) = item else { return [item] }
        let ways = plan.ports.destinations(rule.box.leaving, plan.devices)
        let isExact = ways.sure == ways.possible && (hasNetworks || rule.action != .accept)
        var known = rule.action == .accept ? ways.sure : ways.possible
        if rule.action == .accept, !hasNetworks { known = known.subtracting(FilterPlan.many(rule.box.destination)) }
        rule.box.leaving = .all
        rule.box.destination = rule.box.destination.common(known)
        var result: [PlannedItem] = []
        if !isExact, let origin = rule.origins.first {
            let words =
                !rule.isVerdict
                ? "logs or leaves more than it should, because where a packet leaves cannot be said"
                : rule.action != .accept
                    ? "drops more than it should, because where a packet leaves cannot be said"
                    : rule.box.isEmpty
                        ? "where a packet leaves cannot be said"
                        : "accepts less, because where a packet leaves"
                            + " is not wholly known"
            result.append(
                .note(
                    .init(
                        kind: .leftOut, file: origin.file, line: origin.line,
                        words: "\(origin.shown): \(words); --ports MAP can name the networks of the ports")))
        }
        // A limit counts all that comes to it, so it must be of the whole rule.
        if !isExact, rule.limit != nil {
            if rule.action == .accept { return result }
            if rule.isVerdict, rule.limit?.isOver == false { rule.limit = nil }
        }
        guard !rule.box.isEmpty else { return result }
        result.append(.rule(rule))
        // Without a flow, it must pass where it leaves as well, and its answers must not. What the host itself sends
        // is judged by the rules of the output alone.
        if rule.isStateless {
            rule.hook = .output
            rule.box.sourceEnds.formIntersection(.others)
            rule.box.arriving = .all
            result.append(.rule(rule))
        }
        return result
    }
}
