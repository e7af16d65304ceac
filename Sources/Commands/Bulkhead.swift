import ArgumentParser

/// The `bulkhead` command.
public struct Bulkhead: ParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "bulkhead", abstract: "A stateful firewall inside the host's own virtual switch.")

    public init() {}
}
