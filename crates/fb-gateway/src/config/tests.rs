use super::parse;

/// The TOML blocks of a page, with keys that every machine has.
fn configs(page: &str) -> Vec<String> {
    let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(|block| block.replace("OPENAI_API_KEY", "PATH").replace("ANTHROPIC_API_KEY", "PATH")).collect()
}

#[test]
fn every_config_in_the_documentation_is_accepted() {
    let pages = [include_str!("../../../../README.md"), include_str!("../../../../docs/guide/config.md")];
    for page in pages {
        let configs = configs(page);
        assert!(!configs.is_empty(), "no config in {page}");
        for config in configs {
            let errors = parse(&config).err().unwrap_or_default();
            assert!(errors.is_empty(), "{errors:?}\n{config}");
        }
    }
}
