// SPDX-License-Identifier: Apache-2.0
import Network

/// A service as written: alternatives, names of other services, and what is taken away from them.
struct WrittenService {
    var services: [Service] = []
    var names: [(name: String, location: SourceLocation)] = []
    /// `{ any, except }`: what is in the first and not in the second.
    var differences: [(any: WrittenService, except: WrittenService, location: SourceLocation)] = []

    /// Every name in it, however deep.
    var allNames: [(name: String, location: SourceLocation)] {
        names + differences.flatMap { $0.any.allNames + $0.except.allNames }
    }
}

/// Reads services: short forms, long forms and lists.
struct ServiceParser {
    static let longKeys = ["protocol", "ports", "sourcePorts", "any", "except"]

    let problems: Problems

    func parse(_ node: Node) -> WrittenService {
        var result = WrittenService()
        if case .sequence(let items) = node.content, items.isEmpty {
            problems.error(node.location, "expected a service, found an empty list")
        }
        for item in node.items {
            switch item.content {
            case .mapping: long(item, into: &result)
            case .scalar(let text, _) where !text.isEmpty:
                if !text.utf8.contains(UInt8(ascii: "/")) {
                    result.names.append((text, item.location))
                } else if let service = short(text, at: item.location) {
                    result.services.append(service)
                }
            default:
                problems.expected(ServiceText.forms, at: item)
            }
        }
        return result
    }

    private func short(_ text: String, at location: SourceLocation) -> Service? {
        do throws(ServiceText.Refusal) {
            return try ServiceText.parse(text)
        } catch {
            problems.error(location, "\"\(text)\" is not a service: \(error.reason)")
            return nil
        }
    }

    // MARK: Long forms

    private func long(_ node: Node, into result: inout WrittenService) {
        guard let fields = Fields(node, "a service", keys: Self.longKeys, problems) else { return }
        if fields["any"] != nil || fields["except"] != nil {
            difference(fields, at: node.location).map { result.differences.append($0) }
            return
        }
        guard let node = fields["protocol"] else {
            problems.error(fields.location, "the service has no \"protocol\"")
            return
        }
        if node.items.isEmpty { problems.error(node.location, "expected tcp, udp or sctp, found an empty list") }
        for item in node.items {
            guard case .scalar(let text, _) = item.content, let number = ServiceText.portProtocols[text] else {
                problems.expected(
                    "tcp, udp or sctp (for other protocols use the short form, such as icmp/echo-request)", at: item)
                continue
            }
            guard let destination = portList(fields["ports"], number),
                let source = portList(fields["sourcePorts"], number)
            else { return }
            result.services.append(.ports(protocol: number, destination: destination, source: source))
        }
    }

    private func difference(
        _ fields: Fields, at location: SourceLocation
    ) -> (any: WrittenService, except: WrittenService, location: SourceLocation)? {
        for key in ["protocol", "ports", "sourcePorts"] {
            guard let place = fields.place(of: key) else { continue }
            problems.error(place, "a service with \"any\" and \"except\" cannot have \"\(key)\"")
            return nil
        }
        guard let any = fields["any"], let except = fields["except"] else {
            problems.error(location, "a service that takes something away needs both \"any\" and \"except\"")
            return nil
        }
        return (parse(any), parse(except), location)
    }

    /// All ports where nothing is written; nil where something is wrong.
    private func portList(_ node: Node?, _ number: UInt8) -> [ClosedRange<UInt16>]? {
        guard let node else { return [ServiceText.anyPort] }
        if case .sequence(let items) = node.content, items.isEmpty {
            problems.error(node.location, "expected a port, found an empty list")
            return nil
        }
        var ranges: [ClosedRange<UInt16>] = []
        var isGood = true
        for item in node.items {
            guard let text = problems.text(item, "a port, a range A-B or *") else {
                isGood = false
                continue
            }
            do throws(ServiceText.Refusal) {
                ranges += try ServiceText.ports(text, number)
            } catch {
                problems.error(item.location, error.reason)
                isGood = false
            }
        }
        return isGood ? ranges : nil
    }
}
